"""Where the ledger and codes meet: a person whom one holds is coloured by the other, in whatever order they hear."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
import sqlalchemy as sa

from services.codes.domain.errors import PersonDead as DeadToCodes
from services.ledger.deadlines import amendment_check
from services.ledger.definition_files import PACKAGED, read_definitions
from services.ledger.domain.errors import InvalidRequest, MoveRefused, PersonDead
from tests.contract.neighbours import Neighbours, make_neighbours
from tests.integration.codes.city import ROOT
from wire.checkpoints.v1.events_pb2 import GRADE_CLOSE, GRADE_GENERAL


@pytest.fixture
def city(tmp_path: Path, migrated: Callable[[str], str]) -> Iterator[Neighbours]:
    neighbours = make_neighbours(tmp_path, migrated)
    yield neighbours
    neighbours.close()


def healthy(city: Neighbours) -> UUID:
    person = city.enrol()
    city.declare(person)
    city.settle()
    assert city.colour(person) == "green"
    return person


def case_of(city: Neighbours, person: UUID) -> UUID:
    return city.open("confirmed", person, confirmed_at=city.clock().isoformat()).entry_id


def days(count: float) -> timedelta:
    return timedelta(days=count)


# -- one ledger hands a person to another (field case 2) ---------------------------------------------------------------

BECOMES = [
    ("general_contact", "become_close", "close_contact", "red"),
    ("general_contact", "become_case", "confirmed", "red"),
    ("close_contact", "become_case", "confirmed", "red"),
]


@pytest.mark.parametrize(("ledger", "move", "other", "colour"), BECOMES)
@pytest.mark.parametrize("version", [1, 2])
def test_a_move_that_opens_another_entry_leaves_no_gap_in_any_order_of_arrival(
    city: Neighbours, ledger: str, move: str, other: str, colour: str, version: int
) -> None:
    """Two pieces of evidence have two keys: each order of them is tried, and after each message the code is asked."""
    for first in (0, 1):
        person = healthy(city)
        met_at = (city.clock() - days(2)).isoformat()
        entry = city.open(ledger, person, met_at=met_at).entry_id
        city.settle()
        city.ledger_rows(
            "UPDATE entry SET definition_version = :version WHERE entry_id = :entry RETURNING 1",
            version=version,
            entry=entry,
        )
        before = city.colour(person)
        answer = city.move(entry, move)
        opened = city.open_entry(person)
        assert (opened.ledger, opened.entry_id, opened.cause.entry_id) == (other, answer.succeeded_by, entry)
        if other == "close_contact":
            assert opened.facts["met_at"] == met_at
        evidence = [key for key in city.waiting_keys() if key[0] == "codes"]
        assert len(evidence) == 2
        city.deliver(evidence[first])
        assert city.colour(person) in (before, colour)
        city.settle()
        assert city.colour(person) == colour
        assert [each.ledger for each in city.entries(person)] == [ledger, other]


def test_whoever_is_confirmed_otherwise_is_handed_over_too(city: Neighbours) -> None:
    """A confirmed contact whom nobody moved: one owner, and nothing of the contact is left when the case recovers."""
    person = healthy(city)
    city.open("general_contact", person, met_at=city.clock().isoformat())
    case = case_of(city, person)
    city.settle()
    assert city.open_entry(person).entry_id == case
    for move, facts in [("admit", {"hospital": "A"}), ("discharge", {}), ("recover", {})]:
        city.move(case, move, **facts)
    city.settle()
    assert (city.colour(person), [each for each in city.entries(person) if each.is_open]) == ("green", [])


def test_a_colour_s_isolation_gives_way_to_a_ledger_that_holds_closer(city: Neighbours) -> None:
    person = healthy(city)
    city.declare(person, "cough")
    city.settle()
    assert city.open_entry(person).ledger == "isolation"
    city.open("general_contact", person, met_at=city.clock().isoformat())
    assert city.open_entry(person).ledger == "general_contact"
    city.settle()
    city.move(city.open_entry(person).entry_id, "refute", reason="x")
    left = city.open_entry(person)
    assert (left.ledger, left.stage) == ("isolation", "seven_days")
    city.settle()
    assert (city.colour(person), city.open_entry(person).entry_id) == ("yellow", left.entry_id)


# -- a case that was none (field cases 3 and 4) ------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["become_case", "order"])
def test_a_contact_whose_case_is_refuted_is_a_contact_again_until_the_old_date(city: Neighbours, way: str) -> None:
    person = healthy(city)
    met_at = city.clock() - days(4)
    entry = city.open("close_contact", person, met_at=met_at.isoformat()).entry_id
    case = city.move(entry, "become_case").succeeded_by if way == "become_case" else case_of(city, person)
    assert case is not None
    city.settle()
    city.move(case, "refute", reason="false positive")
    again = city.open_entry(person)
    assert (again.ledger, again.stage, again.facts["met_at"]) == ("close_contact", "found", met_at.isoformat())
    for _ in city.waiting_keys():
        city.deliver(city.waiting_keys()[-1])
        assert city.colour(person) == "red"
    city.settle()
    placed = city.move(again.entry_id, "place")
    assert placed.next_deadline == met_at + days(14)
    city.wait(met_at + days(14) - city.clock() - timedelta(seconds=1))
    city.declare(person)
    city.settle()
    assert city.colour(person) == "red"
    city.wait(timedelta(seconds=1))
    assert city.colour(person) == "green"


def test_a_contact_whose_fourteen_days_are_over_when_the_case_is_refuted_is_free(city: Neighbours) -> None:
    person = healthy(city)
    met_at = city.clock() - days(13)
    entry = city.open("close_contact", person, met_at=met_at.isoformat()).entry_id
    case = city.move(entry, "become_case").succeeded_by
    assert case is not None
    city.settle()
    city.wait(days(2))
    city.declare(person)
    city.move(case, "refute", reason="false positive")
    city.settle()
    refuted = city.entries(person)[-1]
    assert (refuted.ledger, refuted.stage) == ("confirmed", "refuted")
    assert refuted.facts["contact_ended_at"] == (met_at + days(14)).isoformat()
    assert city.colour(person) == "green"


def test_a_refuted_case_lets_go_whom_only_it_holds(city: Neighbours) -> None:
    case_person, other_person = healthy(city), healthy(city)
    case, other = case_of(city, case_person), case_of(city, other_person)
    only, both, down, ordered, late = (healthy(city) for _ in range(5))
    now, old = city.clock(), city.clock() - days(3)
    own = city.open("close_contact", ordered, met_at=old.isoformat()).entry_id
    city.trace(other, (both, GRADE_CLOSE, old), (down, GRADE_GENERAL, old))
    city.trace(case, *((person, GRADE_CLOSE, now) for person in (only, both, down, ordered)))
    city.settle()
    assert {city.colour(person) for person in (only, both, down, ordered)} == {"red"}
    city.move(city.open_entry(both).entry_id, "place")
    city.move(case, "refute", reason="false positive")
    city.trace(case, (late, GRADE_CLOSE, now))
    city.settle()
    assert (city.colour(only), city.entries(only)[-1].outcome) == ("green", "refuted")
    assert (city.colour(both), city.open_entry(both).next_deadline) == ("red", old + days(14))
    downgraded = city.open_entry(down)
    assert (city.colour(down), downgraded.ledger) == ("yellow", "general_contact")
    assert downgraded.facts["met_at"] == old.isoformat()
    assert (city.colour(ordered), city.open_entry(ordered).entry_id) == ("red", own)
    assert (city.colour(late), city.entries(late)) == ("green", [])
    [(kind, owner, about)] = city.ledger_rows("SELECT kind, owner, about FROM alarm WHERE person_ref = :p", p=only)
    assert (kind, owner, about) == ("contact_let_go", city.entries(only)[-1].owner, f"entry/{case}")
    city.move(other, "refute", reason="the laboratory again")
    city.settle()
    assert {city.colour(person) for person in (both, down)} == {"green"}
    assert city.colour(ordered) == "red"


def test_what_a_trace_made_of_an_ordered_contact_goes_with_the_trace(city: Neighbours) -> None:
    person, met_at = healthy(city), city.clock() - days(1)
    city.open("general_contact", person, met_at=met_at.isoformat())
    case = case_of(city, healthy(city))
    city.trace(case, (person, GRADE_CLOSE, city.clock()))
    assert city.open_entry(person).ledger == "close_contact"
    city.move(case, "refute", reason="x")
    city.settle()
    again = city.open_entry(person)
    assert (again.ledger, again.facts["met_at"]) == ("general_contact", met_at.isoformat())
    assert city.colour(person) == "yellow"
    city.move(again.entry_id, "become_close")
    second = case_of(city, healthy(city))
    city.trace(second, (person, GRADE_CLOSE, city.clock()))
    city.move(second, "refute", reason="x")
    assert city.open_entry(person).ledger == "close_contact"


def test_a_contact_who_became_a_case_stays_one_when_the_first_case_is_refuted(city: Neighbours) -> None:
    first, second = healthy(city), healthy(city)
    case = case_of(city, first)
    city.trace(case, (second, GRADE_CLOSE, city.clock()))
    city.move(city.open_entry(second).entry_id, "become_case")
    city.move(case, "refute", reason="x")
    city.settle()
    assert (city.colour(first), city.colour(second)) == ("green", "red")
    city.move(city.open_entry(second).entry_id, "refute", reason="x")
    city.settle()
    assert (city.colour(second), [each for each in city.entries(second) if each.is_open]) == ("green", [])


def test_a_thousand_contacts_are_let_go_in_one_transaction(
    city: Neighbours, capsys: pytest.CaptureFixture[str]
) -> None:
    """Prints how long it took, and how many statements."""
    import time
    from uuid import uuid4

    case = case_of(city, healthy(city))
    city.trace(case, *((uuid4(), GRADE_CLOSE, city.clock()) for _ in range(1000)))
    began = time.perf_counter()
    city.move(case, "refute", reason="x")
    took_s = time.perf_counter() - began
    with capsys.disabled():
        print(f"\n1,000 contacts let go in {took_s * 1000:.0f} ms")
    [(open_entries, alarms)] = city.ledger_rows(
        "SELECT (SELECT count(*) FROM entry WHERE closed_at IS NULL), (SELECT count(*) FROM alarm)"
    )
    assert (open_entries, alarms) == (0, 1000)
    assert took_s < 10


# -- dates (field cases 7 and 13) --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ledger", "rule"), [("close_contact", "close_contact"), ("general_contact", "general_contact")]
)
def test_the_ledger_s_measure_lasts_as_long_as_the_rule_of_colour(ledger: str, rule: str) -> None:
    rules = json.loads((ROOT / "services" / "codes" / "rule_sets" / "hangzhou-2020.json").read_text())["rules"]
    lasts = next(each["lasts"] for each in rules if each["id"] == ledger)
    ledgers = read_definitions(PACKAGED)
    newest = max((each for each in ledgers.definitions if each.ledger == ledger), key=lambda each: each.version)
    assert newest.measure is not None
    assert (lasts["unit"], lasts["amount"]) == ("day", newest.measure.lasts.days)
    assert newest.observed_at == newest.measure.since


CONTRADICTIONS = [
    (["admit"], "discharge", {"discharged_at": -10}, "discharged_at"),
    (["admit"], "record_death", {}, None),
    (["admit", "discharge"], "recover", {"last_test_at": -1}, "last_test_at"),
    (["admit", "discharge"], "readmit", {"readmitted_at": -1}, "readmitted_at"),
    (["admit"], "record_death", {"died_at": 0}, None),
    ([], "admit", {}, None),
]


@pytest.mark.parametrize(("moves", "move", "told", "field"), CONTRADICTIONS)
def test_facts_of_a_case_are_checked_against_each_other(
    city: Neighbours, moves: list[str], move: str, told: dict[str, float], field: str | None
) -> None:
    case = case_of(city, healthy(city))
    hospital = {"admit": {"hospital": "A"}, "readmit": {"hospital": "B"}}
    for each in moves:
        city.move(case, each, **hospital.get(each, {}))
    facts = {name: (city.clock() + days(offset)).isoformat() for name, offset in told.items()}
    if field is None:
        city.move(case, move, **hospital.get(move, {}), **facts)
        return
    with pytest.raises(InvalidRequest) as refused:
        city.move(case, move, **hospital.get(move, {}), **facts)
    [(name, message)] = refused.value.errors
    assert name == f"facts.{field}"
    assert "before" in message
    assert "不早于" in message


def test_a_second_stay_in_hospital_ends_after_it_began(city: Neighbours) -> None:
    case, now = case_of(city, healthy(city)), city.clock()
    ago = {hours: (now + timedelta(days=8) - timedelta(hours=hours)).isoformat() for hours in (1, 5, 6, 7, 100)}
    city.move(case, "admit", hospital="A")
    city.clock.now = now + timedelta(days=8)
    city.move(case, "discharge", discharged_at=ago[100])
    city.move(case, "readmit", hospital="B", readmitted_at=ago[6])
    with pytest.raises(InvalidRequest) as refused:
        city.move(case, "discharge", discharged_at=ago[7])
    assert [name for name, _ in refused.value.errors] == ["facts.discharged_at"]
    city.move(case, "discharge", discharged_at=ago[5])
    city.move(case, "recover", last_test_at=ago[1])


def test_facts_of_a_contact_are_checked_against_each_other(city: Neighbours) -> None:
    person, now = healthy(city), city.clock()
    with pytest.raises(InvalidRequest):
        city.open("close_contact", person, met_at=now.isoformat(), opened_at=now - days(1))
    entry = city.open("close_contact", person, met_at=(now - days(1)).isoformat()).entry_id
    city.move(entry, "place")
    with pytest.raises(InvalidRequest):
        city.move(entry, "release", last_test_at=(now - days(2)).isoformat())
    city.move(entry, "release", last_test_at=now.isoformat())


def test_nothing_is_opened_whose_measure_is_over(city: Neighbours) -> None:
    person, now = healthy(city), city.clock()
    with pytest.raises(InvalidRequest):
        city.open("close_contact", person, met_at=(now - days(14)).isoformat())
    case = case_of(city, healthy(city))
    city.trace(case, (person, GRADE_GENERAL, now - days(8)))
    assert city.entries(person) == []
    city.trace(case, (person, GRADE_GENERAL, now - days(6)))
    assert city.open_entry(person).ledger == "general_contact"


def test_entries_of_an_amended_version_are_set_right_once_and_in_the_open(city: Neighbours) -> None:
    """What version 1 has written: a deadline that counts from the placing, and a death that codes never heard of."""
    person, dead = healthy(city), healthy(city)
    met_at = city.clock() - days(10)
    entry = city.open("close_contact", person, met_at=met_at.isoformat()).entry_id
    city.move(entry, "place")
    case = case_of(city, dead)
    city.move(case, "record_death")
    city.settle()
    with city.ledger.database.transaction() as tx:
        tx.execute(
            sa.text(
                "UPDATE entry SET definition_version = 1, next_deadline = next_deadline + interval '10 days'"
                " WHERE closed_at IS NULL"
            )
        )
        tx.execute(sa.text("UPDATE entry SET definition_version = 1 WHERE closed_at IS NOT NULL"))
        tx.execute(sa.text("UPDATE evidence SET succeeded_by = NULL"))
        tx.execute(sa.text("DELETE FROM evidence WHERE kind = 'death'"))
    with city.codes.transaction() as tx:
        tx.execute(sa.text("DELETE FROM evidence WHERE kind = 'death'"))
        tx.execute(sa.text("UPDATE person SET is_void = false, colour = 0"))
    amend = amendment_check(city.ledger.database, city.ledger.city, city.ledger.open_book, city.clock)
    amend()
    amend()
    city.wait(timedelta(0))
    city.settle()
    assert city.open_entry(person).next_deadline == met_at + days(14)
    assert city.codes_rows("SELECT is_void FROM person WHERE person_ref = :p", p=dead) == [(True,)]
    steps = city.ledger_rows("SELECT entry_id, made_by FROM step WHERE move = 'amend' ORDER BY entry_id")
    assert [tuple(step) for step in steps] == [(each, "timer:amendments") for each in sorted([entry, case])]


# -- nobody coloured without an owner (field case 20) ------------------------------------------------------------------


def test_isolation_is_not_released_while_the_code_is_coloured(city: Neighbours) -> None:
    person = healthy(city)
    city.declare(person, "fever")
    city.settle()
    entry = city.open_entry(person)
    with pytest.raises(MoveRefused, match="yellow"):
        city.move(entry.entry_id, "release")
    city.wait(days(6))
    city.declare(person)
    city.wait(days(1))
    city.settle()
    assert (city.colour(person), city.entries(person)[-1].outcome) == ("green", "released_by_colour")


def test_a_colour_that_lapses_ends_the_isolation(city: Neighbours) -> None:
    person = healthy(city)
    city.declare(person, "fever")
    city.settle()
    city.wait(days(8))
    city.settle()
    assert (city.colour(person), city.entries(person)[-1].outcome) == ("lapsed", "released_by_colour")


def test_whoever_stays_coloured_by_something_else_is_isolated_when_an_entry_closes(city: Neighbours) -> None:
    """The contact's date passes while the entry is open: codes tells nothing new when it is closed at last."""
    person = healthy(city)
    entry = city.open("general_contact", person, met_at=(city.clock() - days(6)).isoformat()).entry_id
    city.declare(person, "cough")
    city.settle()
    city.wait(days(2))
    city.settle()
    city.move(entry, "observe")
    city.move(entry, "release")
    assert city.open_entry(person).ledger == "isolation"
    city.settle()
    assert (city.colour(person), city.open_entry(person).ledger) == ("yellow", "isolation")


def test_a_colour_that_is_on_its_way_out_opens_no_isolation(city: Neighbours) -> None:
    person = healthy(city)
    entry = city.open("close_contact", person, met_at=city.clock().isoformat()).entry_id
    city.deliver(city.waiting_keys()[0])
    city.move(entry, "refute", reason="x")
    [colour] = [key for key in city.waiting_keys() if key[0] == "ledger"]
    city.deliver(colour)
    city.settle()
    assert (city.colour(person), len(city.entries(person))) == ("green", 1)


# -- death (field case 11) ---------------------------------------------------------------------------------------------


def test_a_recorded_death_voids_the_pass_and_bars_everything_until_it_is_corrected(city: Neighbours) -> None:
    person = healthy(city)
    case = case_of(city, person)
    city.settle()
    city.move(case, "admit", hospital="A")
    city.move(case, "record_death", died_at=city.clock().isoformat())
    city.settle()
    assert city.colour(person) == "lapsed"
    assert city.codes_rows("SELECT is_void FROM person WHERE person_ref = :p", p=person) == [(True,)]
    with pytest.raises(DeadToCodes):
        city.declare(person)
    for ledger, facts in [
        ("close_contact", {}),
        ("isolation", {}),
        ("confirmed", {"confirmed_at": city.clock().isoformat()}),
    ]:
        with pytest.raises(PersonDead):
            city.open(ledger, person, **facts)
    other = case_of(city, healthy(city))
    city.trace(other, (person, GRADE_CLOSE, city.clock()))
    city.wait(days(10))
    city.settle()
    assert [each for each in city.entries(person) if each.is_open] == []
    with pytest.raises(InvalidRequest):
        city.move(case, "correct_death")
    answer = city.move(case, "correct_death", reason="another person")
    assert answer.stage == "in_hospital"
    corrected = city.open_entry(person)
    assert (corrected.entry_id, "died_at" in corrected.facts) == (case, False)
    city.settle()
    assert (city.colour(person), city.codes_rows("SELECT is_void FROM person WHERE person_ref = :p", p=person)) == (
        "red",
        [(False,)],
    )
    city.declare(person)


def test_a_death_closes_whatever_else_is_open(city: Neighbours) -> None:
    person = healthy(city)
    case = case_of(city, person)
    city.ledger_rows(
        "UPDATE entry SET ledger = 'isolation', stage = 'seven_days' WHERE entry_id = :e RETURNING 1", e=case
    )
    other = case_of(city, person)
    city.ledger_rows(
        "UPDATE entry SET closed_at = NULL, outcome = NULL, next_deadline = now(), stage = 'seven_days' "
        "WHERE entry_id = :e RETURNING 1",
        e=case,
    )
    city.move(other, "record_death")
    assert [each for each in city.entries(person) if each.is_open] == []


# -- a contact counts from the last meeting (field case 1) -------------------------------------------------------------


@pytest.mark.parametrize(("grade", "colour", "count"), [(GRADE_GENERAL, "yellow", 7), (GRADE_CLOSE, "red", 14)])
def test_a_contact_is_coloured_until_so_many_days_after_the_last_meeting(
    city: Neighbours, grade: int, colour: str, count: int
) -> None:
    first, second = case_of(city, healthy(city)), case_of(city, healthy(city))
    met, last = healthy(city), city.clock()
    city.trace(first, (met, grade, last - days(6)))
    city.settle()
    city.trace(second, (met, grade, last))
    city.settle()
    city.trace(second, (met, grade, last - days(5)))
    city.settle()
    ends_at = last + days(count)
    entry = city.open_entry(met)
    city.move(entry.entry_id, "observe" if grade == GRADE_GENERAL else "place")
    assert city.open_entry(met).next_deadline == ends_at
    city.wait(ends_at - city.clock() - timedelta(minutes=1))
    city.declare(met)
    city.settle()
    assert city.colour(met) == colour, "a minute before it is over"
    city.wait(timedelta(minutes=2))
    city.settle()
    assert city.colour(met) == "green"
    city.move(second, "refute", reason="false positive")


def test_a_refuted_case_takes_its_later_meeting_with_it(city: Neighbours) -> None:
    first, second = case_of(city, healthy(city)), case_of(city, healthy(city))
    met, now = healthy(city), city.clock()
    city.trace(first, (met, GRADE_CLOSE, now - days(6)))
    city.trace(second, (met, GRADE_CLOSE, now))
    city.settle()
    assert city.open_entry(met).facts["met_at"] == now.isoformat()
    city.move(second, "refute", reason="false positive")
    city.settle()
    assert city.open_entry(met).facts["met_at"] == (now - days(6)).isoformat()
    assert city.colour(met) == "red"


@pytest.mark.parametrize("is_released", [True, False])
def test_a_close_contact_who_was_met_generally_later_is_observed_for_the_rest_without_a_gap(
    city: Neighbours, is_released: bool
) -> None:
    case, met, now = case_of(city, healthy(city)), healthy(city), city.clock()
    city.trace(case, (met, GRADE_CLOSE, now - days(10)), (met, GRADE_GENERAL, now))
    city.settle()
    assert (city.colour(met), city.open_entry(met).ledger) == ("red", "close_contact")
    city.move(city.open_entry(met).entry_id, "place")
    if is_released:
        city.wait(days(4) - timedelta(minutes=5))
        city.move(city.open_entry(met).entry_id, "release")
    else:
        city.wait(days(4) - timedelta(seconds=9))
    city.declare(met)
    assert city.colour(met) == "red"
    city.settle()
    assert (city.colour(met), city.open_entry(met).ledger) == ("yellow", "general_contact")
    city.wait(timedelta(minutes=10))
    city.settle()
    assert city.colour(met) == "yellow"
    city.wait(days(3) + timedelta(minutes=1))
    city.declare(met)
    city.settle()
    assert city.colour(met) == "green"


def test_whoever_is_let_go_early_is_free_of_meetings_that_would_be_over_sooner(city: Neighbours) -> None:
    """As on one morning in the metro: closely met, and a minute later met once more in passing."""
    case, met, now = case_of(city, healthy(city)), healthy(city), city.clock()
    city.trace(case, (met, GRADE_CLOSE, now - timedelta(minutes=1)), (met, GRADE_GENERAL, now))
    city.settle()
    entry = city.open_entry(met).entry_id
    city.move(entry, "place")
    city.move(entry, "release")
    city.settle()
    assert (city.colour(met), city.entries(met)[-1].outcome) == ("green", "quarantine_completed")


# -- a grade that was none ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["become_close", "order", "trace"])
@pytest.mark.parametrize("was", ["traced", "ordered"])
def test_whoever_is_refuted_as_a_close_contact_is_a_general_contact_again(city: Neighbours, was: str, way: str) -> None:
    case, person, met_at = case_of(city, healthy(city)), healthy(city), city.clock() - days(1)
    if was == "traced":
        city.trace(case, (person, GRADE_GENERAL, met_at))
    else:
        city.open("general_contact", person, met_at=met_at.isoformat())
    city.settle()
    if way == "become_close":
        city.move(city.open_entry(person).entry_id, "become_close")
    elif way == "order":
        city.open("close_contact", person, met_at=city.clock().isoformat())
    else:
        city.trace(case, (person, GRADE_CLOSE, city.clock()))
    city.settle()
    assert (city.colour(person), city.open_entry(person).ledger) == ("red", "close_contact")
    close = city.open_entry(person).entry_id
    answer = city.move(close, "refute", reason="two metres apart, both masked")
    again = city.open_entry(person)
    assert (again.ledger, again.entry_id) == ("general_contact", answer.succeeded_by)
    assert again.facts["met_at"] == met_at.isoformat()
    assert again.next_deadline is not None
    assert again.next_deadline <= met_at + days(7)
    for key in [key for key in city.waiting_keys() if key[0] == "codes"][::-1]:
        city.deliver(key)
        assert city.colour(person) in ("red", "yellow")
    city.settle()
    assert city.colour(person) == "yellow"
    city.move(case, "refute", reason="false positive")
    city.settle()
    if was == "traced":
        assert (city.colour(person), [each for each in city.entries(person) if each.is_open]) == ("green", [])
    else:
        assert (city.colour(person), city.open_entry(person).entry_id) == ("yellow", again.entry_id)


def test_a_refuted_grade_does_not_come_back_when_another_case_is_refuted(city: Neighbours) -> None:
    first, second, person = case_of(city, healthy(city)), case_of(city, healthy(city)), healthy(city)
    now = city.clock()
    city.trace(first, (person, GRADE_CLOSE, now - days(1)))
    city.trace(second, (person, GRADE_GENERAL, now - days(2)))
    city.settle()
    city.move(city.open_entry(person).entry_id, "refute", reason="not close to the first")
    assert city.open_entry(person).ledger == "general_contact"
    city.move(second, "refute", reason="false positive")
    city.settle()
    assert (city.colour(person), [each for each in city.entries(person) if each.is_open]) == ("green", [])


def test_whoever_is_refuted_and_has_no_other_contact_is_free(city: Neighbours) -> None:
    person = healthy(city)
    city.open("close_contact", person, met_at=city.clock().isoformat())
    city.settle()
    city.move(city.open_entry(person).entry_id, "refute", reason="another of the same name")
    city.settle()
    assert (city.colour(person), [each for each in city.entries(person) if each.is_open]) == ("green", [])


def test_a_close_contact_who_was_never_placed_is_handed_on_too(city: Neighbours) -> None:
    """Their deadline was the placing within a day, and it was escalated: the end of the measure is another date."""
    case, met, now = case_of(city, healthy(city)), healthy(city), city.clock()
    city.trace(case, (met, GRADE_CLOSE, now - days(10)), (met, GRADE_GENERAL, now))
    city.settle()
    city.wait(days(2))
    city.settle()
    assert [each.owner for each in city.ledger_rows("SELECT owner FROM alarm WHERE person_ref = :p", p=met)]
    city.wait(days(2) - timedelta(seconds=9))
    city.declare(met)
    city.settle()
    assert (city.colour(met), city.open_entry(met).ledger) == ("yellow", "general_contact")
    city.wait(timedelta(minutes=10))
    city.settle()
    assert city.colour(met) == "yellow"


# -- isolation lasts as long as the colour -----------------------------------------------------------------------------


def test_an_isolation_is_due_when_codes_lifts_the_colour(city: Neighbours) -> None:
    person = healthy(city)
    began = city.clock()
    city.declare(person, "cough")
    city.settle()
    opened = city.open_entry(person)
    assert (opened.ledger, opened.next_deadline) == ("isolation", began + days(7))
    city.wait(days(3))
    later = city.clock()
    city.declare(person, "cough")
    city.settle()
    assert city.open_entry(person).next_deadline == later + days(7)
    city.wait(days(1))
    red = city.clock()
    city.declare(person, has_contact=True)
    city.settle()
    extended = city.open_entry(person)
    assert (extended.entry_id, extended.stage) == (opened.entry_id, "fourteen_days")
    assert extended.next_deadline == red + days(14)


def test_an_isolation_that_is_opened_for_what_is_left_is_due_when_that_lifts(city: Neighbours) -> None:
    person = healthy(city)
    began = city.clock()
    city.declare(person, "cough")
    city.settle()
    city.wait(days(2))
    city.open("close_contact", person, met_at=city.clock().isoformat())
    city.settle()
    city.move(city.open_entry(person).entry_id, "refute", reason="x")
    city.settle()
    left = city.open_entry(person)
    assert (left.ledger, left.next_deadline) == ("isolation", began + days(7))
