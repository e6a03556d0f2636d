"""What the raw lists of Guangzhou do not say and a person has to label; read by build_guangzhou.py alone.

Everything here comes from general knowledge, not from a survey; data/guangzhou/README.md says what that is worth.
Names are the operator's without brackets. The builder stops at a metro station that has no district here.
"""

DISTRICT_NAMES_EN = {
    "440103": "Liwan",
    "440104": "Yuexiu",
    "440105": "Haizhu",
    "440106": "Tianhe",
    "440111": "Baiyun",
    "440112": "Huangpu",
    "440113": "Panyu",
    "440114": "Huadu",
    "440115": "Nansha",
    "440117": "Conghua",
    "440118": "Zengcheng",
}

# The operator writes 𧒽岗 in two halves because its fonts lack the character; one English name is misspelt in its list.
NAME_CORRECTIONS = {
    "虫雷 岗": "𧒽岗",
    "虫雷 岗（有轨）": "𧒽岗（有轨）",
    "Guangzhou Cadre Health Managernent Center": "Guangzhou Cadre Health Management Center",
}

# How the map snapshot spells what the operator spells otherwise (both without brackets).
MAP_SPELLINGS = {"𧒽岗": "礌岗", "清㘵": "清布"}

# A tram line belongs to one district, so only metro stations are labelled one by one.
DISTRICT_OF_TRAM_LINE = {"THZ1": "440105", "THP1": "440112", "TNH1": "440605"}

_STATIONS_BY_DISTRICT = {
    "440103": """西塱 坑口 花地湾 芳村 黄沙 长寿路 陈家祠 西村 西场 中山八 坦尾 滘口 彩虹桥 华林寺 文化公园 沙涌 鹤洞
        菊树 龙溪 河沙 如意坊""",
    "440104": """西门口 公园前 农讲所 烈士陵园 东山口 杨箕 广州火车站 越秀公园 纪念堂 海珠广场 五羊邨 动物园 区庄 淘金
        小北 一德路 北京路 团一大广场 东湖 黄花岗 沙河顶""",
    "440105": """市二宫 江南西 昌岗 江泰路 东晓南 南洲 沥滘 大塘 客村 广州塔 万胜围 官洲 同福西 凤凰新村 沙园 宝岗大道
        晓港 中大 鹭江 赤岗 磨碟沙 新港东 琶洲 石溪 燕岗 龙潭""",
    "440106": """体育西路 体育中心 广州东站 林和西 燕塘 珠江新城 石牌桥 岗顶 华师 五山 天河客运站 黄村 车陂 车陂南 三溪
        东圃 科韵路 员村 潭村 猎德 体育中心南 天河南 黄埔大道 妇儿中心 花城大道 大剧院 海心沙 天平架 长湴 植物园 龙洞
        柯木塱 高塘石 冼村 天河公园 棠东 大观南路 天河智慧城""",
    "440111": """嘉禾望岗 黄边 江夏 萧岗 白云文化广场 白云公园 飞翔公园 三元里 梅花园 京溪南方医院 同和 永泰 白云大道北
        龙归 人和 高增 机场南 机场北 滘心 亭岗 石井 小坪 石潭 聚龙 上步 同德 鹅掌坦 浔峰岗 横沙 沙贝 新和 白云东平
        夏良 太和 竹料 钟落潭 马沥""",
    "440112": """鱼珠 大沙地 大沙东 文冲 双沙 庙头 夏园 保盈大道 夏港 黄埔新港 黄陂 金峰 暹岗 苏元 萝岗 香雪 深井 长洲
        裕丰围 姬堂 加庄 科丰路 水西 燕山 双岗 南海神庙 南岗 红卫 新南 枫下 知识城 何棠下 旺村 汤村 镇龙北 镇龙 镇龙西
        科学城 神舟路 长平 金坑""",
    "440113": """洛溪 南浦 会江 石壁 广州南站 番禺广场 市桥 汉溪长隆 大石 厦滘 大学城北 大学城南 新造 石碁 海傍 低涌
        谢村 钟村 南村万博 员岗 板桥 沙溪 市广路 陈头岗""",
    "440114": "飞鹅岭 花都汽车城 广州北站 花城路 花果山公园 花都广场 马鞍山公园 莲塘 清㘵 清塘",
    "440115": "东涌 庆盛 黄阁汽车城 黄阁 蕉门 金洲 飞沙角 广隆 大涌 塘坑 南横 南沙客运港 横沥 万顷沙",
    "440117": "太平 神岗 赤草 从化客运站 东风",
    "440118": "沙村 白江 新塘 官湖 新沙 中新 坑贝 凤岗 朱村 山田 钟岗 增城广场",
    # Foshan: Chancheng, Nanhai, Shunde
    "440604": """朝安 普君北路 祖庙 同济路 季华园 魁奇路 澜石 南庄 湖涌 绿岛湖 智慧新城 张槎 石湾 沙岗 石梁 湾华
        亚艺公园 季华六路 镇安""",
    "440605": "金融高新区 千灯湖 𧒽岗 南桂路 桂城 林岳西 林岳东",
    "440606": """世纪莲 东平 新城东 美的大道 北滘公园 美的 南涌 锦龙 陈村 陈村北 大洲 登洲 花卉世界 仙涌 石洲 顺德学院站
        顺德欢乐海岸 顺德一中 驹荣北路 东乐路 大良钟楼 环市北 顺德人民医院 荔村 伦教 广教 高村 北滘西站 潭洲会展 岳步
        大墩""",
}
DISTRICT_OF_STATION = {name: code for code, names in _STATIONS_BY_DISTRICT.items() for name in names.split()}

# Streets of stations whose name matches no street and no community of their district, where we are sure; "" forbids a
# match that would be wrong (two places of one name in a district).
STREET_OF_STATION = {
    "公园前": "北京街道",
    "北京路": "北京街道",
    "一德路": "人民街道",
    "广州火车站": "流花街道",
    "华林寺": "华林街道",
    "文化公园": "岭南街道",
    "江南西": "江南中街道",
    "凤凰新村": "龙凤街道",
    "同福西": "南华西街道",
    "广州塔": "赤岗街道",
    "沥滘": "南洲街道",
    "磨碟沙": "琶洲街道",
    "新港东": "琶洲街道",
    "万胜围": "琶洲街道",
    "会展西": "琶洲街道",
    "会展中": "琶洲街道",
    "会展东": "琶洲街道",
    "琶洲大桥南": "琶洲街道",
    "琶洲塔": "琶洲街道",
    "体育西路": "天河南街道",
    "体育中心": "天河南街道",
    "广州东站": "林和街道",
    "石牌桥": "石牌街道",
    "岗顶": "石牌街道",
    "华师": "石牌街道",
    "车陂南": "车陂街道",
    "棠东": "棠下街道",
    "长湴": "长兴街道",
    "嘉禾望岗": "嘉禾街道",
    "京溪南方医院": "京溪街道",
    "永泰": "永平街道",
    "白云东平": "永平街道",
    "新和": "钟落潭镇",
    "聚龙": "",
    "镇龙北": "新龙镇",
    "镇龙西": "新龙镇",
    "厦滘": "洛浦街道",
    "南浦": "洛浦街道",
    "机场北": "",  # 棠景街道 has a community of that name, after the old airport
    "南村万博": "南村镇",
    "大学城北": "小谷围街道",
    "大学城南": "小谷围街道",
    "广州北站": "新华街道",
    "黄阁汽车城": "黄阁镇",
    "南沙客运港": "南沙街道",
}

# Metro stations inside the city which opened after January 2020: line 8 north (2020), 18 (2021), 22 and 彩虹桥 (2022),
# line 7 second phase and line 5 east (2023).
_OPENED_LATER = """滘心 亭岗 石井 小坪 石潭 聚龙 上步 同德 鹅掌坦 彩虹桥 华林寺 同福西 冼村 龙潭 沙溪 横沥 万顷沙 市广路
    陈头岗 深井 长洲 姬堂 加庄 科丰路 燕山 双沙 庙头 保盈大道 夏港 黄埔新港"""
OPENED_AFTER_EARLY_2020 = frozenset(_OPENED_LATER.split())

# Stations every rider knows as crowded, our order; not an official ranking.
_BUSIEST = """体育西路 珠江新城 广州南站 公园前 广州火车站 客村 广州东站 嘉禾望岗 车陂南 天河客运站 石牌桥 岗顶
    昌岗 杨箕 万胜围 番禺广场 市桥 燕塘 海珠广场 北京路 东圃 员村 大石 同和 三元里 机场北"""
BUSIEST_FIRST = _BUSIEST.split()

# Places that a port checkpoint could stand in: the airport, the sea ports, the ferry terminal.
PORT_STREETS = ("人和镇", "南沙街道", "龙穴街道", "穗东街道")

# Statistical entries without residents' streets; no sample venue is put there.
NOT_A_STREET = ("黄龙带水库", "大岭山林场")
