"""A state machine over the ledger and codes together: whatever happens, nobody is lost between the two.

Whoever has an open entry that gives evidence is coloured by it. Whoever is red or yellow has one open entry, so one
owner and one deadline. The dates of both agree. Openings, moves, second cases, refutations, late traces, deaths and
time are played by several people at once, and messages are handed over in any order of their keys.
`NOBODY_LOST_EXAMPLES` sets how many plays there are.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from services.codes.domain.errors import PersonDead as DeadToCodes
from services.ledger.domain.definition import Correction, Definition, Move
from services.ledger.domain.entries import Entry, measure_end
from services.ledger.domain.errors import EntryAlreadyOpen, InvalidRequest, MoveRefused, PersonDead
from services.ledger.domain.evidence import observed_at_of
from services.ledger.domain.facts import FactType
from tests.contract.neighbours import Neighbours, make_neighbours
from wire.checkpoints.v1.events_pb2 import GRADE_CLOSE, GRADE_GENERAL

EXAMPLES = int(os.environ.get("NOBODY_LOST_EXAMPLES", "20"))
PEOPLE = 4
COLOUR_OF = {"case": {"red"}, "close_contact": {"red"}, "general_contact": {"yellow", "red"}, "death": {"lapsed"}}
_REASONS = "SELECT v.reasons FROM person AS p JOIN verdict AS v USING (verdict_id) WHERE p.person_ref = :person"
_LASTING = (
    "SELECT evidence_id::text, entry_id, kind, observed_at FROM evidence WHERE person_ref = :p AND ended_at IS NULL"
)

persons = st.integers(0, PEOPLE - 1)
ages = st.sampled_from([timedelta(0), timedelta(hours=5), timedelta(days=3), timedelta(days=6.9), timedelta(days=13.5)])


@contextmanager
def refusals() -> Iterator[None]:
    """A no is an answer; anything else is a fault."""
    with suppress(EntryAlreadyOpen, InvalidRequest, MoveRefused, PersonDead, DeadToCodes):
        yield


class NobodyIsLost(RuleBasedStateMachine):
    city: Neighbours

    @initialize()
    def enrol(self) -> None:
        self.people = [self.city.enrol() for _ in range(PEOPLE)]
        self.cases: list[UUID] = []
        self.held: set[UUID] = set()
        for person in self.people:
            self.city.declare(person)
        self.city.settle()

    # -- what people do ----------------------------------------------------------------------------------------------

    @rule(who=persons, ledger=st.sampled_from(["confirmed", "close_contact", "general_contact"]), age=ages)
    def open_an_entry(self, who: int, ledger: str, age: timedelta) -> None:
        fact = "confirmed_at" if ledger == "confirmed" else "met_at"
        with refusals():
            self.city.open(ledger, self.people[who], **{fact: (self.city.clock() - age).isoformat()})
        self._look()

    @rule(who=persons, choice=st.integers(0, 99), age=ages)
    def move_an_entry(self, who: int, choice: int, age: timedelta) -> None:
        self._move(who, choice, age, self.city.entries(self.people[who])[-1:])

    @rule(which=st.integers(0, 9))
    def refute_a_case(self, which: int) -> None:
        open_cases = [each for each in self.city.entries(*self.people) if each.is_open and each.ledger == "confirmed"]
        if open_cases:
            with refusals():
                self.city.move(open_cases[which % len(open_cases)].entry_id, "refute", reason="x")
            self._look()

    @rule(
        which=st.integers(0, 9),
        met=st.lists(st.tuples(persons, st.sampled_from([GRADE_CLOSE, GRADE_GENERAL]), ages), min_size=1, max_size=3),
    )
    def answer_a_trace(self, which: int, met: list[tuple[int, int, timedelta]]) -> None:
        """Of any case that ever was, refuted and closed ones too."""
        cases = [each for each in self.city.entries(*self.people) if each.ledger == "confirmed"]
        if cases:
            now = self.city.clock()
            contacts = [(self.people[who], grade, now - age) for who, grade, age in met]
            self.city.trace(cases[which % len(cases)].entry_id, *contacts)
            self._look()

    @rule(who=persons, symptoms=st.sampled_from([(), ("cough",)]))
    def declare(self, who: int, symptoms: tuple[str, ...]) -> None:
        with refusals():
            self.city.declare(self.people[who], *symptoms)

    @rule(time=st.sampled_from([timedelta(hours=1), timedelta(days=1), timedelta(days=5), timedelta(days=9)]))
    def let_time_pass(self, time: timedelta) -> None:
        """Timers that would have run many times run once, late: a measure that ended meanwhile held only until then."""
        after = self.city.clock() + time
        self.held -= {person for person in self.held if not self._is_held_at(person, after)}
        self.city.wait(time)
        self._look()

    # -- what the event log does -------------------------------------------------------------------------------------

    @rule(order=st.lists(st.integers(0, 99), min_size=1, max_size=6))
    def hand_over_some(self, order: list[int]) -> None:
        for choice in order:
            if waiting := self.city.waiting_keys():
                self.city.deliver(waiting[choice % len(waiting)])
                self._look()

    @rule(seed=st.integers(0, 2**32))
    def hand_over_all(self, seed: int) -> None:
        order = random.Random(seed)

        def choose(waiting: list[tuple[str, str]]) -> tuple[str, str]:
            self._look()
            return order.choice(waiting)

        self.city.settle(choose)
        self._all_is_well()

    def teardown(self) -> None:
        if hasattr(self, "people"):
            self.city.settle()
            self._all_is_well()

    # -- what must be so ---------------------------------------------------------------------------------------------

    def _look(self) -> None:
        """At every moment: whoever codes has coloured, and whom a ledger has held ever since, is not shown green."""
        for who in range(PEOPLE):
            person = self.people[who]
            if not any(self._holds(entry) for entry in self.city.entries(person)):
                self.held.discard(person)
            elif person in self.held:
                assert self.city.colour(person) in ("yellow", "red"), "held by a ledger, and shown green"

    def _all_is_well(self) -> None:
        """When nothing is under way."""
        for person in self.people:
            entries = self.city.entries(person)
            standing = [entry for entry in entries if entry.is_open]
            colour = self.city.colour(person)
            assert len(standing) <= 1, "two owners"
            self._is_coloured_by_what_holds(person, entries, colour)
            if colour in ("yellow", "red"):
                assert standing, f"{colour}, and nobody answers"
                assert standing[0].owner
                assert standing[0].next_deadline is not None
            isolating = [entry for entry in standing if entry.ledger == "isolation"]
            assert not isolating or colour in ("yellow", "red"), "isolated without a colour"
            if isolating:
                assert isolating[0].next_deadline == self._lifts_at(person), "isolated until another date"
            self._is_held_by_somebody(person, standing)
            if any(self._holds(entry) for entry in standing) and colour in ("yellow", "red"):
                self.held.add(person)

    def _lifts_at(self, person: UUID) -> datetime:
        """When time alone leaves neither red nor yellow, as codes reasons."""
        [(reasons,)] = self.city.codes_rows(_REASONS, person=person)
        return max(datetime.fromisoformat(each["ends_at"]) for each in reasons if each["colour"] in ("yellow", "red"))

    def _is_coloured_by_what_holds(self, person: UUID, entries: list[Entry], colour: str) -> None:
        lasting = self.city.ledger_rows(_LASTING, p=person)
        [(reasons,)] = self.city.codes_rows(_REASONS, person=person)
        named = {evidence for reason in reasons for evidence in reason["evidence"]}
        by_id = {entry.entry_id: entry for entry in entries}
        for evidence_id, entry_id, kind, observed_at in lasting:
            entry, definition = by_id[entry_id], self._rules(by_id[entry_id])
            assert observed_at == observed_at_of(entry, definition)
            [(dated,)] = self.city.codes_rows("SELECT observed_at FROM evidence WHERE evidence_id = :e", e=evidence_id)
            assert dated == observed_at, "codes dates it otherwise"
            end = measure_end(definition, entry.facts, entry.opened_at)
            if end is not None and end <= self.city.clock():
                assert evidence_id not in named, "coloured beyond the ledger's date"
                continue
            assert evidence_id in named, f"{kind} lasts in the ledger, and codes does not know why"
            assert colour in COLOUR_OF[kind]
            if entry.is_open and end is not None:
                assert entry.next_deadline is not None
                assert entry.next_deadline <= end
                assert entry.stage == "found" or entry.next_deadline == end, "the dates of both differ"
        ours = {each[0] for each in lasting}
        told = self.city.ledger_rows("SELECT evidence_id::text FROM evidence WHERE person_ref = :p", p=person)
        assert not (named & {each[0] for each in told}) - ours, "coloured by evidence that has ended"

    def _is_held_by_somebody(self, person: UUID, standing: list[Entry]) -> None:
        """A traced contact has a case that was not refuted, or an official who opened the first entry."""
        for entry in standing:
            if self._rules(entry).is_of_contacts:
                root = entry
                by_id = {each.entry_id: each for each in self.city.entries(person)}
                while root.cause.entry_id in by_id:
                    root = by_id[root.cause.entry_id]
                valid = self.city.ledger_rows(
                    "SELECT 1 FROM meeting AS m JOIN entry AS c ON c.entry_id = m.case_entry "
                    "WHERE m.person_ref = :p AND c.stage <> 'refuted'",
                    p=person,
                )
                assert valid or (root.cause.entry_id is None and root.cause.event_id is None), "held by no case"

    def _is_held_at(self, person: UUID, moment: datetime) -> bool:
        return any(self._holds(entry, moment) for entry in self.city.entries(person))

    def _holds(self, entry: Entry, moment: datetime | None = None) -> bool:
        definition = self._rules(entry)
        if not entry.is_open or definition.stages[entry.stage].evidence is None:
            return False
        end = measure_end(definition, entry.facts, entry.opened_at)
        return end is None or end > (moment or self.city.clock())

    def _rules(self, entry: Entry) -> Definition:
        return self.city.ledger.city.definition_of(entry, self.city.clock())

    def _move(self, who: int, choice: int, age: timedelta, entries: list[Entry]) -> None:
        for entry in entries:
            stage = self._rules(entry).stages[entry.stage]
            if stage.orders:
                name = stage.orders[choice % len(stage.orders)]
                order = stage.moves.get(name) or stage.corrections[name]
                with refusals():
                    self.city.move(entry.entry_id, name, **self._facts(order, age))
                self._look()

    def _facts(self, order: Move | Correction, age: timedelta) -> dict[str, str]:
        """What the move asks for, and each date that it may be told."""
        dated = (self.city.clock() - age).isoformat()
        facts: dict[str, str] = {}
        for name, fact in order.facts.items():
            if fact.type == FactType.DATE_TIME:
                facts[name] = dated
            elif fact.is_required:
                facts[name] = fact.choices[0] if fact.choices else "x"
        return facts


@pytest.fixture
def city(tmp_path: Path, migrated: Callable[[str], str]) -> Iterator[Neighbours]:
    neighbours = make_neighbours(tmp_path, migrated)
    yield neighbours
    neighbours.close()


@pytest.mark.timeout(120 + 20 * EXAMPLES)
def test_nobody_is_lost_between_the_ledger_and_codes(city: Neighbours) -> None:
    NobodyIsLost.city = city
    run_state_machine_as_test(
        NobodyIsLost,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            database=None,
            report_multiple_bugs=False,
        ),
    )
