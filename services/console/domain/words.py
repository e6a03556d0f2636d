"""The words on the screens, Chinese and English; an identifier that is new to this page is shown as it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Label:
    zh: str
    en: str


LEDGERS: Mapping[str, Label] = {
    "confirmed": Label("确诊病例", "Confirmed cases"),
    "close_contact": Label("密切接触者", "Close contacts"),
    "general_contact": Label("一般接触者", "General contacts"),
    "isolation": Label("红黄码隔离", "Isolation by colour"),
}

STAGES: Mapping[str, Label] = {
    "reported": Label("待转运", "to be taken to hospital"),
    "in_hospital": Label("隔离治疗", "in hospital"),
    "in_follow_up": Label("出院随访", "followed up"),
    "found": Label("待管控", "found"),
    "in_quarantine": Label("集中隔离", "in quarantine"),
    "under_observation": Label("健康监测", "under observation"),
    "seven_days": Label("七天隔离", "seven days"),
    "fourteen_days": Label("十四天隔离", "fourteen days"),
}

ALARMS: Mapping[str, Label] = {
    "person_stopped": Label("卡口拦下", "Stopped"),
    "let_in_offline": Label("离线误放", "Let in offline"),
    "fever": Label("发热", "Fever"),
    "deadline_passed": Label("超过时限", "Overdue"),
    "contact_let_go": Label("解除密接", "Contact let go"),
    "person_not_found": Label("未找到人员", "Not found"),
    "device_silent": Label("设备离线", "Device silent"),
    "device_drifted": Label("设备偏差", "Device drifts"),
    "measurement_overdue": Label("复测超时", "Hot reading unfinished"),
}

PROCESS_STATES: Mapping[str, Label] = {
    "ok": Label("正常", "OK"),
    "waiting": Label("等待", "Waiting"),
    "away": Label("失联", "Away"),
}


def label_of(words: Mapping[str, Label], identifier: str) -> Label:
    known = words.get(identifier)
    if known is not None:
        return known
    shown = identifier.replace("_", " ")
    return Label(shown, shown)
