"""What is typed at a gate: a card reader's number is a document, a place has a name, and nothing is asked in vain."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from guanka.gate import Gate
from guanka.gate.areas import AreaNames, read_area_names
from guanka.home import REFERENCE
from tests.unit.guanka.city_hall import CityHall
from tests.unit.guanka.post import PLACE, Post

CARD = "11010519491231002X"


@pytest.fixture(scope="module")
def names() -> AreaNames:
    return read_area_names(REFERENCE / "areas.csv")


@pytest.mark.parametrize("takes", [{}, {"takes_json_lines": True}, {"takes_forms": True}])
@pytest.mark.parametrize(
    ("line", "document"),
    [
        (CARD, {"type": "resident_id", "number": CARD}),
        (CARD.lower(), {"type": "resident_id", "number": CARD.lower()}),
        ("110105491231002", {"type": "resident_id", "number": "110105491231002"}),
        ("passport FR 12AB 34567", {"type": "passport", "country": "FR", "number": "12AB34567"}),
    ],
)
def test_what_a_card_reader_types_is_a_document(
    tmp_path: Path, takes: dict[str, bool], line: str, document: dict[str, str]
) -> None:
    post = Post(tmp_path, **takes)
    post.gate.take_line(line)
    [(path, sent)] = post.server.sent
    assert (path, sent["credential"]) == ("/v1/scans", {"document": document})
    assert post.show.refused == []


@pytest.mark.parametrize("line", ["110105194912310021", "E12345678", "110105499931002", "passport FR"])
def test_a_document_that_was_not_read_right_is_no_forged_pass(tmp_path: Path, line: str) -> None:
    post = Post(tmp_path, takes_json_lines=True)
    post.gate.take_line(line)
    assert post.server.sent == []
    [refused] = post.show.refused
    assert "TYPE COUNTRY NUMBER" in refused
    assert post.memory.scans.count() == 0


@pytest.mark.parametrize("line", ["no pass at all", "a.b.c", "123", "https://example.org/12345678"])
def test_anything_else_is_a_pass_that_is_forged(tmp_path: Path, line: str) -> None:
    post = Post(tmp_path)
    post.gate.take_line(line)
    assert post.server.sent[0][1]["credential"] == {"pass": line}


def test_a_typed_document_alone_is_checked_without_a_network(tmp_path: Path) -> None:
    city, post = CityHall(), Post(tmp_path)
    post.server.bundle = city.bundle(datetime.now(UTC))
    post.fetch()
    post.server.status = 0
    post.gate.take_line(CARD)
    [shown] = post.show.decisions
    assert (shown.decision, shown.refusal) == ("check", None)


# -- nothing is asked in vain ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "is_asked"), [("metro", False), ("mall", False), ("road", True), ("compound", True)])
def test_a_form_that_cannot_be_taken_here_is_not_asked_for(tmp_path: Path, kind: str, is_asked: bool) -> None:
    post = Post(tmp_path, takes_forms=True)
    post.server.bundle = CityHall().bundle(datetime.now(UTC), kind=kind)
    post.fetch()
    post.gate.take_line("register")
    questions = [remark for remark in post.show.remarks if remark.startswith("?")]
    assert bool(questions) is is_asked
    assert bool(post.show.refused) is not is_asked
    assert all("registered in place" in refused for refused in post.show.refused)


def test_where_nobody_knows_the_form_is_asked_for(tmp_path: Path) -> None:
    post = Post(tmp_path, takes_forms=True)
    post.gate.take_line("register")
    assert post.show.remarks[-1].startswith("? 证件")


# -- places by name ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("翠洲社区居民委员会", "440103001101"),
        ("翠洲社区", "440103001101"),
        ("翠洲", "440103001101"),
        ("荔湾 扬仁东", "440103002101"),
        ("荔湾区", "440103"),
        ("Liwan", "440103"),
        ("沙面街道", "440103001"),
    ],
)
def test_a_place_is_found_by_its_name(names: AreaNames, text: str, code: str) -> None:
    assert names.find(text) == [code]


def test_every_area_is_found_by_its_path(names: AreaNames) -> None:
    for code, node in names._nodes.items():
        assert code in names.find(node.label) or code == "4401", node.label


def test_a_name_that_is_spelt_a_little_otherwise_is_offered(names: AreaNames) -> None:
    assert names.find("翠州社区居民委员会") == []
    assert "440103001101" in names.close_to("翠州社区居民委员会")


@pytest.fixture
def asking(tmp_path: Path, names: AreaNames) -> Post:
    post = Post(tmp_path, takes_forms=True)
    post.gate = Gate(PLACE, post.gate._link, post.memory, post.show, takes_forms=True, areas=names)
    post.server.status = 0
    for line in ("register", CARD, "13800138000", "FR"):
        post.gate.take_line(line)
    return post


def taken(post: Post) -> str:
    post.gate.take_line("36.5")
    [kept] = post.memory.forms.waiting(2)
    return str(kept.body["to_area"])


def test_where_somebody_goes_is_said_by_name(asking: Post) -> None:
    asking.gate.take_line("翠洲社区")
    assert taken(asking) == "440103001101"


def test_a_code_is_taken_too_and_one_that_is_not_there_is_said_at_once(asking: Post) -> None:
    asking.gate.take_line("440199999999")
    assert "there is no area 440199999999" in asking.show.refused[-1]
    asking.gate.take_line("440103001101")
    assert taken(asking) == "440103001101"


def test_of_several_that_are_called_so_one_is_chosen(asking: Post, names: AreaNames) -> None:
    several = next(
        name for node in names._nodes.values() for name in node.own.split("|") if 2 <= len(names.find(name)) <= 9
    )
    found = names.find(several)
    asking.gate.take_line(several)
    assert all(code in asking.show.refused[-1] for code in found)
    asking.gate.take_line("2")
    assert taken(asking) == found[1]


def test_of_too_many_a_street_is_asked_for(asking: Post) -> None:
    asking.gate.take_line("社区")
    assert "say its street or district before it" in asking.show.refused[-1]
    asking.gate.take_line("沙面 翠洲")
    assert taken(asking) == "440103001101"


def test_a_name_that_is_nowhere_is_asked_for_again(asking: Post) -> None:
    asking.gate.take_line("火星基地")
    assert "nothing is called so" in asking.show.refused[-1]
    asking.gate.take_line("翠洲")
    assert taken(asking) == "440103001101"


def test_where_somebody_comes_from_may_be_named_within_the_city(tmp_path: Path, names: AreaNames) -> None:
    post = Post(tmp_path, takes_forms=True)
    post.gate = Gate(PLACE, post.gate._link, post.memory, post.show, takes_forms=True, areas=names)
    post.server.status = 0
    for line in ("register", CARD, "13800138000", "荔湾区", "翠洲", "36.5"):
        post.gate.take_line(line)
    [kept] = post.memory.forms.waiting(2)
    assert (kept.body["from_area"], kept.body["to_area"]) == ("440103", "440103001101")
    assert json.dumps(kept.body)
    assert kept.body["registered_at"] > (datetime.now(UTC) - timedelta(minutes=1)).isoformat()
