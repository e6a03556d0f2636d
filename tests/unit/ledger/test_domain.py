"""The ledger's pure parts: errors, documents, facts, areas, contacts, colours, sealing."""

from __future__ import annotations

import inspect
import json
import secrets
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from cryptography.exceptions import InvalidTag

from chassis.problems import first_line
from chassis.settings import SettingsError
from services.ledger import journal
from services.ledger.api import PROBLEMS
from services.ledger.domain import errors
from services.ledger.domain.colours import ColourChange, waves
from services.ledger.domain.contacts import Grade, Meeting, by_contact, last_of_each_grade
from services.ledger.domain.errors import InvalidRequest
from services.ledger.domain.facts import FactRule, FactType, check_facts
from services.ledger.domain.records import Record
from services.ledger.sealing import read_sealer

NOW = datetime(2020, 2, 11, 8, tzinfo=UTC)
AREAS = Path(__file__).resolve().parents[3] / "data" / "guangzhou" / "areas.csv"


def test_every_domain_error_has_a_status_and_a_sentence() -> None:
    kinds = [each for _, each in inspect.getmembers(errors, inspect.isclass) if each.__module__ == errors.__name__]
    assert set(kinds) == set(PROBLEMS)
    assert all(first_line(kind).endswith(".") for kind in kinds)


def test_facts_are_checked_all_at_once_and_put_into_normal_form() -> None:
    rules = {
        "at": FactRule(FactType.DATE_TIME, is_required=True, past_days_max=3),
        "site": FactRule(FactType.TEXT),
        "beds": FactRule(FactType.WHOLE),
        "is_alone": FactRule(FactType.BOOLEAN),
        "colour": FactRule(FactType.CHOICE, choices=("yellow", "red")),
    }
    given = {"at": "2020-02-11T15:00:00+08:00", "site": " A1 ", "beds": 2, "is_alone": False, "colour": "red"}
    facts = check_facts(rules, given, NOW)
    assert facts == {"at": "2020-02-11T07:00:00+00:00", "site": "A1", "beds": 2, "is_alone": False, "colour": "red"}
    wrong = {"site": " ", "beds": True, "is_alone": "no", "colour": "blue", "extra": 1}
    with pytest.raises(InvalidRequest) as refused:
        check_facts(rules, wrong, NOW)
    assert {field for field, _ in refused.value.errors} == {
        "facts.at",
        "facts.site",
        "facts.beds",
        "facts.is_alone",
        "facts.colour",
        "facts.extra",
    }


@pytest.mark.parametrize(("ago", "is_taken"), [(-299, True), (-301, False), (3 * 86400, True), (3 * 86400 + 1, False)])
def test_a_date_time_fact_has_bounds(ago: int, is_taken: bool) -> None:
    rules = {"at": FactRule(FactType.DATE_TIME, past_days_max=3)}
    given = {"at": (NOW - timedelta(seconds=ago)).isoformat()}
    if is_taken:
        assert check_facts(rules, given, NOW)
    else:
        with pytest.raises(InvalidRequest):
            check_facts(rules, given, NOW)


def meeting(person: UUID, grade: Grade, minutes: int = 0) -> Meeting:
    return Meeting(person, grade, "c", "mall", "440103", NOW + timedelta(minutes=minutes), 1.0, "a", "b")


def test_of_each_grade_the_last_meeting_counts_the_closest_grade_first() -> None:
    person, case = uuid4(), uuid4()
    met = [
        meeting(person, Grade.CLOSE, 1),
        meeting(person, Grade.GENERAL, 9),
        meeting(person, Grade.CLOSE, 5),
        meeting(case, Grade.CLOSE),
    ]
    found = by_contact(met, case)
    assert list(found) == [person]
    assert last_of_each_grade(found[person]) == last_of_each_grade(reversed(found[person])) == [met[2], met[1]]


def test_waves_hold_each_person_once_and_keep_the_order() -> None:
    first, second = uuid4(), uuid4()
    changes = [ColourChange(uuid4(), person, "red", NOW, "") for person in (first, second, first, first, second)]
    runs = list(waves(changes))
    assert [change for run in runs for change in run] == changes
    assert all(len({change.person_ref for change in run}) == len(run) for run in runs)


def test_a_sealed_name_opens_only_for_its_person_and_column(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    keys = {"old": secrets.token_hex(32)}
    path.write_text(json.dumps({"current": "old", "keys": keys}))
    person = uuid4()
    sealed = read_sealer(path).seal("王小明", person_ref=person, column="name")
    path.write_text(json.dumps({"current": "new", "keys": keys | {"new": secrets.token_hex(32)}}))
    sealer = read_sealer(path)
    assert sealer.open(sealed, person_ref=person, column="name") == "王小明"
    assert sealer.seal("王小明", person_ref=person, column="name")[1:4] == b"new"
    for wrong in ({"person_ref": uuid4(), "column": "name"}, {"person_ref": person, "column": "phone"}):
        with pytest.raises(InvalidTag):
            sealer.open(sealed, **wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "content", ["", "{}", '{"current": "a", "keys": {"b": "00"}}', '{"current": "a", "keys": {"a": "00"}}']
)
def test_unusable_keys_are_refused_at_start(tmp_path: Path, content: str) -> None:
    path = tmp_path / "keys"
    path.write_text(content)
    with pytest.raises(SettingsError, match="DATA_KEYS_FILE"):
        read_sealer(path)


def test_a_record_is_written_in_one_form_only() -> None:
    entry = UUID(int=1)
    one = Record("entry_moved", NOW, "官员", {"b": 1, "a": {"z": None, "y": [UUID(int=2)]}}, entry)
    other = Record("entry_moved", NOW, "官员", {"a": {"y": [UUID(int=2)], "z": None}, "b": 1}, entry)
    assert journal.content_of(one) == journal.content_of(other)
    assert journal.content_of(one) == (
        '{"a":{"y":["00000000-0000-0000-0000-000000000002"],"z":null},"at":"2020-02-11T08:00:00+00:00","b":1,'
        '"by":"官员","entry_id":"00000000-0000-0000-0000-000000000001","kind":"entry_moved","person_ref":null}'
    )
