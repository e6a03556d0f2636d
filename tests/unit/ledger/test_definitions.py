"""The ledgers' definitions: every stage against every move, and files that are refused with every problem."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path
from uuid import uuid4

import pytest

from chassis.settings import SettingsError
from city.areas import read_areas
from services.ledger.definition_files import PACKAGED, read_definitions
from services.ledger.domain.city import City
from services.ledger.domain.definition import Definition, Ledgers, Occurrence
from services.ledger.domain.entries import Entry, deadline_of, move_entry, open_entry, renew_entry
from services.ledger.domain.errors import LedgerNotFound, MoveRefused

NOW = datetime(2020, 2, 11, 8, tzinfo=UTC)
DEFINITIONS = read_definitions(PACKAGED).definitions
ROOT = Path(__file__).resolve().parents[3]
by_name = pytest.mark.parametrize("definition", DEFINITIONS, ids=lambda each: each.name)


def entry_at(definition: Definition, stage: str) -> Entry:
    """An entry that stands at the stage, however it got there."""
    opened = open_entry(
        definition,
        entry_id=uuid4(),
        person_ref=uuid4(),
        area="440106001001",
        owner="440106",
        facts={},
        opened_at=NOW,
        stage=next(name for name, each in definition.stages.items() if not each.is_final),
    )
    final = definition.stages[stage].is_final
    return replace(
        opened,
        stage=stage,
        closed_at=NOW if final else None,
        next_deadline=None if final else NOW + timedelta(hours=1),
    )


def every_pair() -> list[tuple[Definition, str, str]]:
    """Every stage of every definition with every move that any of its stages knows, and one that none knows."""
    pairs = []
    for definition in DEFINITIONS:
        moves = {name for stage in definition.stages.values() for name in stage.moves} | {"vanish"}
        pairs += [(definition, stage, move) for stage, move in product(definition.stages, sorted(moves))]
    return pairs


@pytest.mark.parametrize(("definition", "stage", "move"), every_pair(), ids=lambda part: getattr(part, "name", part))
def test_each_move_at_each_stage_leads_where_the_table_says_or_is_refused(
    definition: Definition, stage: str, move: str
) -> None:
    entry = entry_at(definition, stage)
    allowed = definition.stages[stage].moves
    if move not in allowed:
        with pytest.raises(MoveRefused) as refused:
            move_entry(entry, definition, move, {}, NOW, NOW)
        assert all(name in str(refused.value) for name, each in allowed.items() if each.roles)
        return
    moved = move_entry(entry, definition, move, {}, NOW, NOW)
    assert (moved.stage, moved.version, moved.owner) == (allowed[move].to, entry.version + 1, entry.owner)
    to = definition.stages[moved.stage]
    assert moved.is_open is not to.is_final
    assert (moved.next_deadline is None) is to.is_final
    assert moved.outcome == to.outcome


def reached(definition: Definition, start: str) -> set[str]:
    seen, waiting = set(), [start]
    while waiting:
        stage = waiting.pop()
        if stage not in seen:
            seen.add(stage)
            waiting += [move.to for move in definition.stages[stage].moves.values()]
    return seen


@by_name
def test_every_stage_can_reach_the_end_and_can_be_reached(definition: Definition) -> None:
    for stage in definition.stages:
        assert any(definition.stages[each].is_final for each in reached(definition, stage)), stage
    starts = {definition.opening.stage, *definition.opens_on.values()}
    assert set().union(*(reached(definition, start) for start in starts)) == set(definition.stages)


@by_name
def test_a_person_can_take_every_open_stage_towards_the_end_without_waiting_for_an_occurrence(
    definition: Definition,
) -> None:
    for name, stage in definition.stages.items():
        assert stage.is_final or any(move.roles for move in stage.moves.values()), name


@by_name
def test_every_open_stage_has_a_deadline_and_every_area_an_owner(definition: Definition) -> None:
    city = City(read_definitions(PACKAGED), read_areas(ROOT / "data" / "guangzhou" / "areas.csv"))
    for stage in definition.stages.values():
        assert stage.is_final == (stage.deadline is None)
    for area in city.areas.nodes:
        owner = city.owner(definition, area)
        assert area.startswith(owner)
        assert owner in city.areas.nodes


def test_the_contacts_ledgers_and_isolation_last_as_long_as_they_say() -> None:
    ledgers = {each.ledger: each for each in DEFINITIONS}
    assert ledgers["close_contact"].stages["in_quarantine"].deadline == timedelta(days=14)
    assert ledgers["general_contact"].stages["under_observation"].deadline == timedelta(days=7)
    isolation = ledgers["isolation"]
    assert isolation.stages[isolation.opens_on[Occurrence.COLOUR_YELLOW]].deadline == timedelta(days=7)
    assert isolation.stages[isolation.opens_on[Occurrence.COLOUR_RED]].deadline == timedelta(days=14)
    assert all(stage.evidence is None for stage in isolation.stages.values())
    trace = ledgers["confirmed"].trace
    assert trace is not None
    assert trace.look_back == timedelta(days=14)


def named(name: str) -> Definition:
    return next(each for each in DEFINITIONS if each.name == name)


def ago(**time: float) -> datetime:
    return NOW - timedelta(**time)


@pytest.mark.parametrize(
    ("facts", "opened_at", "due_at"),
    [
        ({"confirmed_at": ago(hours=3)}, NOW, ago(hours=1)),
        ({"confirmed_at": NOW}, ago(hours=3), ago(hours=1)),
        ({"confirmed_at": ago(hours=3)}, ago(hours=1), ago(hours=1)),
        ({"confirmed_at": NOW}, NOW, NOW + timedelta(hours=2)),
    ],
)
def test_the_two_hours_of_a_case_run_from_the_earliest_of_confirmation_and_paper(
    facts: dict[str, datetime], opened_at: datetime, due_at: datetime
) -> None:
    """Case 19 of the field: a clock that ran before the ledger heard of it has run, and may be over."""
    told = {name: at.isoformat() for name, at in facts.items()}
    assert deadline_of(named("confirmed@2"), "reported", told, opened_at, opened_at) == due_at


@pytest.mark.parametrize(
    ("name", "stage", "days"), [("close_contact@2", "in_quarantine", 14), ("general_contact@2", "under_observation", 7)]
)
def test_a_measure_ends_a_set_time_after_the_last_contact_whatever_is_moved(name: str, stage: str, days: int) -> None:
    """Case 7 of the field: ten days are over, so four are left of fourteen, however often somebody is moved."""
    rules, met_at = named(name), ago(days=5)
    entry = replace(entry_at(rules, "found"), facts={"met_at": met_at.isoformat()})
    move = next(move for move, each in rules.stages["found"].moves.items() if each.to == stage)
    placed = move_entry(entry, rules, move, {}, NOW, NOW)
    assert placed.next_deadline == met_at + timedelta(days=days)
    again = [move for move, each in rules.stages[stage].moves.items() if each.to == stage]
    for move in again:
        assert move_entry(placed, rules, move, {}, NOW + timedelta(days=1), NOW).next_deadline == placed.next_deadline
    renewed = renew_entry(placed, rules, {"met_at": NOW.isoformat()})
    assert (renewed.next_deadline, renewed.version) == (NOW + timedelta(days=days), placed.version + 1)
    late = replace(entry, facts={"met_at": ago(days=days - 0.5).isoformat()}, opened_at=NOW)
    assert deadline_of(rules, "found", late.facts, NOW, NOW) == NOW + timedelta(hours=12)
    assert renew_entry(late, rules, {"met_at": NOW.isoformat()}).next_deadline == NOW + timedelta(hours=24)


def test_a_move_that_keeps_the_stage_starts_its_clock_anew_only_where_the_definition_says_so() -> None:
    rules, later = named("confirmed@2"), NOW + timedelta(days=3)
    entry = move_entry(entry_at(rules, "reported"), rules, "admit", {"hospital": "A"}, NOW, NOW)
    assert entry.next_deadline == NOW + timedelta(days=14)
    assert move_entry(entry, rules, "review", {"severity": "mild"}, later, later).next_deadline == entry.next_deadline
    assert move_entry(entry, rules, "prolong", {"reason": "x"}, later, later).next_deadline == later + timedelta(
        days=14
    )
    discharged = move_entry(entry, rules, "discharge", {"discharged_at": NOW.isoformat()}, later, later)
    assert discharged.next_deadline == NOW + timedelta(days=14)
    assert move_entry(entry, rules, "discharge", {}, later, later).next_deadline == later + timedelta(days=14)


def test_a_second_discharge_without_its_date_is_not_dated_by_the_first() -> None:
    rules, at, later = named("confirmed@2"), NOW.isoformat(), NOW + timedelta(days=5)
    entry = move_entry(entry_at(rules, "in_hospital"), rules, "discharge", {"discharged_at": at}, NOW, NOW)
    back = move_entry(entry, rules, "readmit", {"hospital": "B"}, NOW, NOW)
    assert back.facts["discharged_at"] == at
    again = move_entry(back, rules, "discharge", {}, later, later)
    assert "discharged_at" not in again.facts
    assert again.next_deadline == later + timedelta(days=14)


def test_an_amendment_keeps_entries_that_were_opened_under_the_version_it_mends() -> None:
    ledgers = Ledgers(DEFINITIONS)
    before, after = named("close_contact@2").valid_from - timedelta(seconds=1), named("close_contact@2").valid_from
    assert ledgers.rules_for("close_contact", 1, before).name == "close_contact@1"
    assert ledgers.rules_for("close_contact", 1, after).name == "close_contact@2"
    assert ledgers.rules_for("close_contact", 2, after).name == "close_contact@2"


@pytest.mark.parametrize(
    ("before", "after", "problem"),
    [
        ("amends: 1", "amends: 2", "close_contact@2: amends version 2, which is not an earlier one"),
        ("amends: 1", "amends: 3", "close_contact@2: amends version 3, which is not there"),
        ("  released:", "  set_free:", "close_contact@2: amends close_contact@1 without keeping its stage released"),
        (
            "deadline_from: [met_at]",
            "deadline_from: [site]",
            "the stage in_quarantine counts from site, which is no date",
        ),
        ("    deadline_from: [met_at]\n", "", "the stage in_quarantine names no fact that it counts from"),
        ("since: met_at", "since: circumstances", "the opening has no date-time fact circumstances"),
    ],
)
def test_an_amendment_or_a_clock_that_cannot_be_kept_is_refused_at_start(
    tmp_path: Path, before: str, after: str, problem: str
) -> None:
    (tmp_path / "close_contact@1.yaml").write_text((PACKAGED / "close_contact@1.yaml").read_text())
    text = (PACKAGED / "close_contact@2.yaml").read_text()
    assert before in text
    (tmp_path / "close_contact@2.yaml").write_text(text.replace(before, after))
    with pytest.raises(SettingsError) as refused:
        read_definitions(tmp_path)
    assert problem in str(refused.value)


def test_an_entry_keeps_the_version_it_was_opened_under(tmp_path: Path) -> None:
    text = (PACKAGED / "isolation@1.yaml").read_text()
    (tmp_path / "isolation@1.yaml").write_text(text)
    later = text.replace("version: 1", "version: 2").replace("2020-02-11T", "2020-03-01T").replace("168", "72")
    (tmp_path / "isolation@2.yaml").write_text(later)
    ledgers = read_definitions(tmp_path)
    assert ledgers.named("isolation", NOW).version == 1
    assert ledgers.named("isolation", NOW + timedelta(days=30)).version == 2
    assert ledgers.version("isolation", 1).stages["seven_days"].deadline == timedelta(days=7)
    with pytest.raises(LedgerNotFound):
        ledgers.named("isolation", datetime(2019, 1, 1, tzinfo=UTC))


def test_unusable_definitions_are_refused_with_every_problem(tmp_path: Path) -> None:
    isolation = (PACKAGED / "isolation@1.yaml").read_text()
    (tmp_path / "isolation@1.yaml").write_text(
        isolation.replace("deadline_hours: 168", "evidence: isolation")
        .replace("to: fourteen_days", "to: nowhere")
        .replace(
            "follow_green: {to: released_by_colour, upon: [colour_green]}", "follow_green: {to: released_by_colour}"
        )
    )
    (tmp_path / "confirmed@1.yaml").write_text((PACKAGED / "confirmed@1.yaml").read_text() + "\nmood: good\n")
    (tmp_path / "close_contact@7.yaml").write_text(
        (PACKAGED / "close_contact@1.yaml").read_text().replace("roles: [authority]", "roles: [mayor]")
    )
    (tmp_path / "broken@1.yaml").write_text("ledger: [")
    with pytest.raises(SettingsError) as refused:
        read_definitions(tmp_path)
    said = str(refused.value)
    for problem in [
        "the open stage seven_days has no deadline",
        "extend leads to nowhere, which does not exist",
        "fourteen_days.follow_green can be made by nobody",
        "confirmed@1.yaml: mood",
        "close_contact@7.yaml: holds close_contact@1",
        "roles that do not exist: mayor",
        "broken@1.yaml: cannot be read",
    ]:
        assert problem in said, said


def test_a_stage_from_which_nothing_leads_to_the_end_is_refused(tmp_path: Path) -> None:
    isolation = (PACKAGED / "isolation@1.yaml").read_text()
    (tmp_path / "isolation@1.yaml").write_text(
        isolation.replace("to: released,", "to: fourteen_days,").replace("to: released_by_colour", "to: seven_days")
    )
    with pytest.raises(SettingsError, match="from the stage seven_days the end cannot be reached"):
        read_definitions(tmp_path)


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="holds no definition"):
        read_definitions(tmp_path)
