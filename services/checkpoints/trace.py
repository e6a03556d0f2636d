"""The trace over the recorded scans: who was near a case, told in parts, held where two people must agree.

Traces are made and extended one at a time (store.traces.lock), so a scan that one does not see yet is seen by whoever
comes next: no contact falls between a trace's query and its windows.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Connection

from chassis.clock import Clock, utc_now
from services.checkpoints.domain.errors import (
    RequesterUnknown,
    SecondPersonNeeded,
    TraceAskedOtherwise,
    TraceNotFound,
    TraceNotHeld,
)
from services.checkpoints.domain.events import ContactsTraced, DomainEvent, ScanCompleted, TraceHeld
from services.checkpoints.domain.facts import Official, ScanFact, TraceFact, TraceOrder
from services.checkpoints.domain.keeping import Keeping
from services.checkpoints.domain.tracing import (
    CaseScan,
    Meeting,
    TracingRule,
    Watch,
    last_of_each_grade,
    meeting_of,
    new_or_later,
    since,
    watches_of,
)
from services.checkpoints.store import history, traces

CONTACTS_A_PART = 500
CONTACTS_A_DAY_MAX = 5000
_DAY = timedelta(hours=24)
Tell = Callable[[Connection, Iterable[DomainEvent]], None]


def complete_scans(tx: Connection, tell: Tell, now: datetime) -> None:
    """Give recorded scans the persons that have arrived since, and tell them again."""
    tell(tx, [ScanCompleted(scan) for scan in history.fill_persons(tx, now)])


class Tracing:
    """`keeping` says which scans are looked at, and which meetings are told in the log.

    One person is told of `contacts_a_day_max` contacts in 24 hours without a second one, however many traces it takes.
    """

    def __init__(
        self,
        rule: TracingRule,
        tell: Tell,
        *,
        keeping: Keeping,
        contacts_a_day_max: int = CONTACTS_A_DAY_MAX,
        clock: Clock = utc_now,
    ) -> None:
        self._rule, self._tell, self._keeping, self._clock = rule, tell, keeping, clock
        self._contacts_a_day_max = contacts_a_day_max

    def request_trace(self, tx: Connection, order: TraceOrder) -> TraceFact:
        """Answer an order once, however often it comes. Raises `TraceAskedOtherwise`.

        Who enrolled and rode within the same second is scanned before his entry has a name here: such scans are
        completed first, or these contacts would be told a second later than the others.
        """
        traces.lock(tx)
        now = self._clock()
        trace = traces.add(tx, order, self._rule.version, now)
        if trace is None:
            return _known_trace(tx, order)
        complete_scans(tx, self._tell, now)
        kept_since = self._keeping.scans_since(now)
        scans = traces.case_scans(tx, order.person_ref, max(order.from_at, kept_since), order.to_at)
        watches = since(kept_since, watches_of(self._rule, scans))
        traces.add_watches(tx, trace.trace_id, watches)
        self._keep_new(tx, trace, traces.find_meetings(tx, order.person_ref, watches))
        return self._answer(tx, trace, is_first=True)

    def extend_traces(self, tx: Connection, scans: Sequence[ScanFact]) -> None:
        """Add what scans bring to answered traces: a contact inside a window, or the case itself somewhere else."""
        known = [scan for scan in scans if scan.person_ref is not None and not scan.is_self_reported]
        if not known:
            return
        traces.lock(tx)
        times = [scan.scanned_at for scan in known]
        if not traces.are_reached(tx, min(times), max(times)):
            return
        meetings: dict[UUID, list[Meeting]] = defaultdict(list)
        for trace_id, watch, scan in traces.watches_over(tx, known):
            meetings[trace_id].append(meeting_of(watch, scan))
        for trace_id, scan in traces.of_cases(tx, known):
            meetings[trace_id] += self._around(tx, trace_id, scan)
        for trace_id, found in sorted(meetings.items()):
            self._extend(tx, trace_id, found)

    def _around(self, tx: Connection, trace_id: UUID, scan: ScanFact) -> list[Meeting]:
        """Whom the case met at one more scan of its own."""
        assert scan.person_ref is not None
        case = CaseScan(scan.scan_id, scan.checkpoint_id, scan.kind, scan.vehicle_ref, scan.scanned_at)
        watches: list[Watch] = watches_of(self._rule, [case])
        traces.add_watches(tx, trace_id, watches)
        return traces.find_meetings(tx, scan.person_ref, watches)

    def _extend(self, tx: Connection, trace_id: UUID, meetings: Sequence[Meeting]) -> None:
        trace = traces.find(tx, trace_id)
        if trace is None:
            return
        others = [meeting for meeting in meetings if meeting.person_ref != trace.person_ref]
        if self._keep_new(tx, trace, others):
            self._answer(tx, trace, is_first=False)

    def _keep_new(self, tx: Connection, trace: TraceFact, meetings: Sequence[Meeting]) -> bool:
        """Keep of the meetings what was not known; whether there was any.

        The ledger is told by the log, so a meeting that may be told there counts before one that may not.
        """
        now = self._clock()
        is_for_ledger = trace.entry_id != ""
        told_since = self._keeping.meetings_told_since(now) if is_for_ledger else self._keeping.scans_since(now)
        known = traces.known_meetings(tx, trace.trace_id, told_since)
        new = new_or_later(last_of_each_grade(meetings, told_since), known, told_since)
        traces.put_contacts(tx, trace.trace_id, new)
        return bool(new)

    def approve_trace(self, tx: Connection, trace_id: UUID, approver: Official) -> TraceFact:
        """Let go of what was held. Raises `TraceNotFound`, `TraceNotHeld`, `SecondPersonNeeded`, `RequesterUnknown`.

        Looked for once more: of whom the case met twice, the closer meeting may have grown too old for the log.
        """
        traces.lock(tx)
        trace = traces.find(tx, trace_id)
        if trace is None:
            raise TraceNotFound()
        if trace.was_asked_by(approver):
            raise SecondPersonNeeded()
        if trace.status != "held":
            raise TraceNotHeld()
        if not trace.has_requester:
            raise RequesterUnknown()
        self._look_again(tx, trace)
        return self._answer(tx, replace(trace, approved_by=approver.subject), is_first=False)

    def _look_again(self, tx: Connection, trace: TraceFact) -> None:
        watches = since(self._keeping.scans_since(self._clock()), traces.watches_of_trace(tx, trace.trace_id))
        self._keep_new(tx, trace, traces.find_meetings(tx, trace.person_ref, watches))

    def tell_again(self, tx: Connection, trace_id: UUID) -> int:
        """Tell once more, for whoever lost a part of the log, whom a trace has told of; in how many parts.

        Whom the ledger knows stays what they are there: a meeting is taken once. What is held stays held. Of meetings
        that have grown too old for the log since, only the number is told.
        """
        traces.lock(tx)
        trace = traces.find(tx, trace_id)
        if trace is None:
            return 0
        now = self._clock()
        told_since = self._keeping.meetings_told_since(now)
        traces.mark_older(tx, trace_id, told_since, now, even_told=True)
        again = traces.contacts_in_log(tx, trace_id)
        if trace.status == "answered":
            self._look_again(tx, trace)
            traces.mark_older(tx, trace_id, told_since, now)
            again += traces.untold_contacts(tx, trace_id)
        parts = _parts_of(again) or ([[]] if traces.count_older(tx, trace_id) else [])
        return self._tell_parts(tx, trace, parts).parts - trace.parts

    def _answer(self, tx: Connection, trace: TraceFact, *, is_first: bool) -> TraceFact:
        """Tell what has not been told, or hold it; of meetings too old for the log only their number.

        What is held waits for a second person, and not for the day to be over; what comes meanwhile is added quietly.
        """
        if trace.approved_by is None:
            if trace.status == "held":
                return trace
            if (held := self._bound_passed(tx, trace)) is not None:
                return self._hold(tx, trace, held)
        now = self._clock()
        are_older = traces.mark_older(tx, trace.trace_id, self._keeping.meetings_told_since(now), now)
        parts = _parts_of(traces.untold_contacts(tx, trace.trace_id))
        if not parts and (is_first or are_older):
            parts = [[]]
        return self._tell_parts(tx, replace(trace, status="answered"), parts)

    def _tell_parts(self, tx: Connection, trace: TraceFact, parts: Sequence[Sequence[Meeting]]) -> TraceFact:
        told, now = replace(trace, parts=trace.parts + len(parts)), self._clock()
        older = traces.count_older(tx, trace.trace_id)
        for number, part in enumerate(parts, trace.parts + 1):
            told = replace(told, revision=told.revision + 1)
            traces.mark_told(tx, trace.trace_id, part, number, now)
            self._tell(tx, [ContactsTraced(told, part, number, older, self._keeping.forgotten_at(part))])
        traces.save(tx, told)
        return told

    def _bound_passed(self, tx: Connection, trace: TraceFact) -> TraceHeld | None:
        """What would be told, where it is more than one person may learn alone: by this trace, or within a day.

        A trace of the future is told day by day, so a day is counted by when its contacts were told.
        """
        contacts = sum(traces.count_contacts(tx, trace.trace_id).values())
        if contacts > self._rule.contacts_max:
            return TraceHeld(trace, contacts, self._rule.contacts_max, "contacts_max")
        of_day = traces.contacts_of_requester(tx, trace, self._clock() - _DAY)
        if contacts and of_day > self._contacts_a_day_max:
            return TraceHeld(trace, of_day, self._contacts_a_day_max, "contacts_a_day_max")
        return None

    def _hold(self, tx: Connection, trace: TraceFact, held: TraceHeld) -> TraceFact:
        """Say once that a second person is needed."""
        now_held = replace(trace, status="held", revision=trace.revision + 1)
        traces.save(tx, now_held)
        self._tell(tx, [replace(held, trace=now_held)])
        return now_held


def _parts_of(meetings: Sequence[Meeting]) -> list[Sequence[Meeting]]:
    return [meetings[start : start + CONTACTS_A_PART] for start in range(0, len(meetings), CONTACTS_A_PART)]


def _known_trace(tx: Connection, order: TraceOrder) -> TraceFact:
    trace = traces.find(tx, order.trace_id)
    assert trace is not None
    if (trace.person_ref, trace.from_at, trace.to_at) != (order.person_ref, order.from_at, order.to_at):
        raise TraceAskedOtherwise()
    traces.name_requester(tx, order)
    return trace
