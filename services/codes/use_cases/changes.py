"""Every change of a colour goes through here, in one order of locks: people ascending, then lists ascending (D6).

Who calls has locked the people and written what is new about them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence, Set
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection

from services.codes.domain.colours import standing_value
from services.codes.domain.dossier import DEATH, DOSSIER_REACH, Dossier
from services.codes.domain.events import STANDINGS_ENTRIES_MAX, ColourChanged, StandingsChanged
from services.codes.domain.facts import facts_of
from services.codes.domain.people import Person
from services.codes.domain.verdicts import judge, judge_dead
from services.codes.use_cases.ports import Decided, Office, Told

_NOTHING = (Dossier(), Told("", (), ()))


def settle(
    tx: Connection, office: Office, people: Sequence[Person], now: datetime, *, newly_listed: Set[UUID] = frozenset()
) -> dict[UUID, Decided]:
    """Evaluate locked people, write what changed, and tell it. Nothing may lock a person after this."""
    files = office.dossiers.read(tx, [person.person_ref for person in people], now - DOSSIER_REACH)
    decided = [
        _decide(office, person, *files.get(person.person_ref, _NOTHING), now, person.person_ref in newly_listed)
        for person in people
    ]
    office.people.decide(tx, decided, now)
    office.tell(tx, [_colour_changed(each, now) for each in decided if each.revision > each.person.revision])
    moved = [each for each in decided if each.is_colour_new or each.person.person_ref in newly_listed]
    tell_standings(
        tx,
        office,
        [(each.person, standing_value(each.verdict.colour, is_void=each.verdict.is_void)) for each in moved],
        now,
    )
    return {each.person.person_ref: each for each in decided}


def _decide(
    office: Office, person: Person, dossier: Dossier, told: Told, now: datetime, is_newly_listed: bool
) -> Decided:
    """Whoever is newly listed is told again, now with an area."""
    deaths = [each for each in dossier.evidence if each.kind == DEATH]
    verdict = judge_dead(office.rule_set, deaths) if deaths else judge(office.rule_set, facts_of(dossier, now), now)
    is_colour_new = (verdict.colour, verdict.is_void) != (person.colour, person.is_void)
    is_told_new = is_newly_listed or person.revision == 0 or is_colour_new or verdict.reasons != told.reasons
    return Decided(
        person=person,
        verdict=verdict,
        revision=person.revision + is_told_new,
        since=now if is_colour_new or person.since is None else person.since,
        is_new=is_told_new or verdict.errors != told.errors,
        is_colour_new=is_colour_new,
    )


def _colour_changed(decided: Decided, now: datetime) -> ColourChanged:
    person, verdict = decided.person, decided.verdict
    return ColourChanged(
        person_ref=person.person_ref,
        revision=decided.revision,
        colour=verdict.colour,
        previous=person.colour if person.revision else None,
        since=decided.since,
        review_at=verdict.review_at,
        reasons=verdict.reasons,
        rule_set=verdict.rule_set,
        area=person.area,
        at=now,
    )


def tell_standings(tx: Connection, office: Office, standings: Iterable[tuple[Person, int]], now: datetime) -> None:
    """Raise the lists and tell the entries, list by list, each person with a standing's value; people without an entry
    are on no list."""
    by_list: dict[int, list[tuple[int, int, UUID]]] = defaultdict(list)
    for person, value in standings:
        if person.entry is not None:
            by_list[person.entry.list].append((person.entry.idx, value, person.person_ref))
    for list_number, rows in sorted(by_list.items()):
        parts = [rows[start : start + STANDINGS_ENTRIES_MAX] for start in range(0, len(rows), STANDINGS_ENTRIES_MAX)]
        first = office.lists.raise_revision(tx, list_number, by=len(parts)) - len(parts) + 1
        office.tell(tx, [_standings(list_number, first + number, part, now) for number, part in enumerate(parts)])


def _standings(
    list_number: int, revision: int, rows: Sequence[tuple[int, int, UUID]], now: datetime
) -> StandingsChanged:
    idx, colours, person_refs = zip(*rows, strict=True)
    return StandingsChanged(list_number, revision, idx, bytes(colours), person_refs, now)
