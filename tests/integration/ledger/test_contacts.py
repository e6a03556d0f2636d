"""A contact counts until so many days after the last meeting, by whichever case, trace or late scan it is found."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.integration.ledger.conftest import Ledger
from tests.integration.ledger.test_loop import confirm, contact, traced
from wire.checkpoints.v1 import events_pb2 as checkpoints

CLOSE, GENERAL = checkpoints.GRADE_CLOSE, checkpoints.GRADE_GENERAL
NOW = datetime.now(UTC)
QUARANTINE, OBSERVATION = timedelta(days=14), timedelta(days=7)


def ago(**parts: float) -> datetime:
    return NOW - timedelta(**parts)


class Case:
    """A confirmed case of its own, whose trace tells of meetings part by part."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger, self._person, self._parts = ledger, uuid4(), 0
        self._entry, self._trace = confirm(ledger, self._person)

    def met(self, *contacts: Any) -> None:
        self._parts += 1
        self._ledger.take(traced(self._entry, self._trace, self._person, *contacts, part=self._parts))


def entries_of(ledger: Ledger, person: UUID) -> list[tuple[Any, ...]]:
    """(ledger, met_at, whether it is open), in order of opening."""
    rows = ledger.rows(
        "SELECT ledger, facts ->> 'met_at', closed_at IS NULL FROM entry WHERE person_ref = %s ORDER BY entry_id",
        person,
    )
    return [(name, datetime.fromisoformat(met_at), is_open) for name, met_at, is_open in rows]


def evidence_of(ledger: Ledger, person: UUID) -> list[tuple[str, datetime, str, bool]]:
    """(kind, observed_at, revision, whether it ended), as told."""
    return [
        (told.kind, told.observed_at.ToDatetime(tzinfo=UTC), headers["ce_revision"], told.HasField("ended_at"))
        for headers, told in ledger.told("EvidenceFound")
        if told.person_ref == str(person)
    ]


@pytest.mark.parametrize("is_second_case", [False, True])
@pytest.mark.parametrize(("grade", "name", "days"), [(GENERAL, "general_contact", 7), (CLOSE, "close_contact", 14)])
def test_a_later_meeting_prolongs_the_open_entry_and_an_earlier_one_never_shortens_it(
    ledger: Ledger, grade: int, name: str, days: int, is_second_case: bool
) -> None:
    first, met = Case(ledger), uuid4()
    first.met(contact(met, grade, at=ago(days=5)))
    [(entry_id,)] = ledger.rows("SELECT entry_id::text FROM entry WHERE person_ref = %s", met)
    path, placed = f"/v1/entries/{entry_id}/moves", "observe" if grade == GENERAL else "place"
    assert ledger.post(path, {"move": placed, "expected_version": 1}).status_code == 200
    other = Case(ledger) if is_second_case else first
    other.met(contact(met, grade, at=ago(minutes=1)))
    other.met(contact(met, grade, at=ago(days=6)))

    assert entries_of(ledger, met) == [(name, ago(minutes=1), True)]
    read = ledger.get(f"/v1/entries/{entry_id}").json()
    assert datetime.fromisoformat(read["next_deadline"]) == ago(minutes=1) + timedelta(days=days)
    assert evidence_of(ledger, met) == [(name, ago(days=5), "1", False), (name, ago(minutes=1), "2", False)]
    moves = ledger.rows("SELECT move, made_by FROM step WHERE entry_id::text = %s ORDER BY version", entry_id)
    assert moves[2:] == [("renew", "event:guanka.checkpoints.v1.ContactsTraced")], "one line more, and one alone"
    file = ledger.get(f"/v1/people/{met}/file").json()["timeline"]
    assert [each["what"] for each in file].count("meeting") == 3, "every meeting stands in the file"


def test_the_same_meeting_told_again_prolongs_nothing(ledger: Ledger) -> None:
    case, met = Case(ledger), uuid4()
    again = contact(met, GENERAL, at=ago(days=1))
    case.met(again)
    case.met(again)
    assert len(evidence_of(ledger, met)) == 1


def test_a_contact_whose_entry_was_closed_by_then_has_a_new_one(ledger: Ledger) -> None:
    case, met = Case(ledger), uuid4()
    case.met(contact(met, GENERAL, at=ago(days=6)))
    [(entry_id,)] = ledger.rows("SELECT entry_id::text FROM entry WHERE person_ref = %s", met)
    for version, move in enumerate(("observe", "release"), 1):
        ordered = {"move": move, "expected_version": version}
        assert ledger.post(f"/v1/entries/{entry_id}/moves", ordered).status_code == 200
    case.met(contact(met, GENERAL, at=ago(days=8)))
    assert len(entries_of(ledger, met)) == 1, "what is over by now opens nothing"
    case.met(contact(met, GENERAL, at=ago(hours=1)))
    assert entries_of(ledger, met) == [("general_contact", ago(days=6), False), ("general_contact", ago(hours=1), True)]


def test_who_stands_in_a_stronger_ledger_is_not_dated_anew(ledger: Ledger) -> None:
    case, met = Case(ledger), uuid4()
    case.met(contact(met, CLOSE, at=ago(days=5)))
    case.met(contact(met, GENERAL, at=ago(minutes=1)))
    assert entries_of(ledger, met) == [("close_contact", ago(days=5), True)]
    confirm(ledger, ill := uuid4())
    case.met(contact(ill, CLOSE, at=ago(minutes=1)))
    assert [row[0] for row in ledger.rows("SELECT ledger FROM entry WHERE person_ref = %s", ill)] == ["confirmed"]


def test_a_general_contact_who_meets_a_second_case_closely_becomes_a_close_one_without_a_gap(ledger: Ledger) -> None:
    met = uuid4()
    Case(ledger).met(contact(met, GENERAL, at=ago(minutes=1)))
    Case(ledger).met(contact(met, CLOSE, at=ago(days=3)))
    assert entries_of(ledger, met) == [("general_contact", ago(minutes=1), False), ("close_contact", ago(days=3), True)]
    told = [(kind, is_over) for kind, _, _, is_over in evidence_of(ledger, met)]
    assert told == [("general_contact", False), ("close_contact", False), ("general_contact", True)]


def test_close_a_while_ago_and_general_later_is_quarantine_and_then_observation_for_the_rest(ledger: Ledger) -> None:
    """The grade of the closest meeting, until its days are over; the general meeting counts its own days after them."""
    case, met = Case(ledger), uuid4()
    general = contact(met, GENERAL, at=ago(days=2))
    case.met(general, contact(met, CLOSE, at=ago(days=13)))
    assert entries_of(ledger, met) == [("close_contact", ago(days=13), True)]
    [(entry_id,)] = ledger.rows("SELECT entry_id::text FROM entry WHERE person_ref = %s", met)
    path = f"/v1/entries/{entry_id}/moves"
    assert ledger.post(path, {"move": "place", "expected_version": 1}).status_code == 200
    released = ledger.post(path, {"move": "release", "expected_version": 2})
    assert released.status_code == 200, released.text
    assert entries_of(ledger, met) == [("close_contact", ago(days=13), False), ("general_contact", ago(days=2), True)]
    [(successor,)] = ledger.rows("SELECT entry_id::text FROM entry WHERE person_ref = %s AND closed_at IS NULL", met)
    assert released.json()["succeeded_by"] == successor
    told = [(kind, is_over) for kind, _, _, is_over in evidence_of(ledger, met)]
    assert told == [("close_contact", False), ("general_contact", False), ("close_contact", True)], "and no gap"


def test_what_is_over_by_the_closest_meeting_counts_by_a_later_weaker_one(ledger: Ledger) -> None:
    met = uuid4()
    Case(ledger).met(contact(met, GENERAL, at=ago(days=2)), contact(met, CLOSE, at=ago(days=15)))
    assert entries_of(ledger, met) == [("general_contact", ago(days=2), True)]
    nobody = uuid4()
    Case(ledger).met(contact(nobody, GENERAL, at=ago(days=8)), contact(nobody, CLOSE, at=ago(days=15)))
    assert entries_of(ledger, nobody) == []


def test_an_early_release_lets_go_of_what_the_quarantine_would_have_covered(ledger: Ledger) -> None:
    """Somebody who was met closely and, a minute later, generally is free when the release is ordered today."""
    case, met = Case(ledger), uuid4()
    case.met(contact(met, CLOSE, at=ago(minutes=2)), contact(met, GENERAL, at=ago(minutes=1)))
    [(entry_id,)] = ledger.rows("SELECT entry_id::text FROM entry WHERE person_ref = %s", met)
    for version, move in enumerate(("place", "release"), 1):
        ledger.post(f"/v1/entries/{entry_id}/moves", {"move": move, "expected_version": version})
    assert entries_of(ledger, met) == [("close_contact", ago(minutes=2), False)]


def test_who_is_released_with_no_later_meeting_is_released(ledger: Ledger) -> None:
    case, met = Case(ledger), uuid4()
    case.met(contact(met, GENERAL, at=ago(days=13, hours=1)), contact(met, CLOSE, at=ago(days=13)))
    [(entry_id,)] = ledger.rows("SELECT entry_id::text FROM entry WHERE person_ref = %s", met)
    for version, move in enumerate(("place", "release"), 1):
        ledger.post(f"/v1/entries/{entry_id}/moves", {"move": move, "expected_version": version})
    assert entries_of(ledger, met) == [("close_contact", ago(days=13), False)]


def test_a_contact_whom_an_official_opened_without_a_date_is_dated_by_a_meeting_after_it(ledger: Ledger) -> None:
    met = uuid4()
    body = {"ledger": "general_contact", "person": {"person_ref": str(met)}, "area": "440106001001", "facts": {}}
    opened = ledger.post("/v1/entries", body | {"opened_at": ago(days=3).isoformat()})
    assert opened.status_code == 201, opened.text
    Case(ledger).met(contact(met, GENERAL, at=ago(days=4)))
    assert ledger.rows("SELECT facts FROM entry WHERE person_ref = %s", met) == [({},)]
    Case(ledger).met(contact(met, GENERAL, at=ago(days=1)))
    assert entries_of(ledger, met) == [("general_contact", ago(days=1), True)]
