"""The scan log: where scans become durable, many in one commit.

Adaptive group commit: an idle connection writes what is there as soon as the event loop brings no more; what comes
meanwhile waits and becomes the next group. A group is one statement (scan_statements.py): the claims on shown passes,
the scans, each with its person by the table `holder`, and the outbox row of each scan that was new. So it is the whole
truth about a group whether it committed, and nothing is answered before. A scan that claims a pass after another is
decided and answered as that.

Copies of one scan in a group are joined first and the group is sorted by `scan_id`: else two processes with the same
copies deadlock. An id that the statement does not return was recorded before: it is read again, and the same content
gets the first answer. If a group fails for a reason of its own, its scans are tried singly.

The event of a new scan has the scan's own id. The outbox's rule "an outbox insert is never its transaction's first
write" holds inside the statement: `told` draws its rows from `recorded`, which has inserted a scan (and so taken the
transaction id) before it returns the first of them, and `seq` is computed after that.
tests/integration/checkpoints/test_scan_log.py asks PostgreSQL.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any
from uuid import UUID

import orjson
import psycopg
import structlog

from chassis.connections import Connection, hanging_up
from chassis.outbox import header_columns, trace_headers
from chassis.telemetry import meter
from services.checkpoints.domain.errors import Overloaded, ScanIdReused, StoreUnavailable
from services.checkpoints.domain.scans import Colour, Decision, Refusal, Ruling, Scan
from services.checkpoints.fresh_holders import FreshHolders
from services.checkpoints.scan_statements import FIRST_ANSWERS, GIVE_BACK, RECORD, Kind, given_back

log = structlog.get_logger("scan_log")

PLANNER = "-c jit=off -c plan_cache_mode=force_generic_plan -c enable_seqscan=off -c enable_nestloop=off"
"""One plan for groups of any size: an index look-up a row in `holder`, a hash for the new scans' events."""

_TROUBLE_OF_THE_STORE = ("08", "25", "53", "57", "58")
"""Classes of SQLSTATE that concern the store and not a row: trying rows singly would help nobody."""

_groups = meter.create_counter("scan_groups", description="commit groups of scans")
_recorded = meter.create_counter("scans_recorded", description="scans made durable")
_refused = meter.create_counter("scans_not_recorded", description="scans refused for the store's or the queue's sake")

_GATHER_S_MAX = 0.01
_ENOUGH = 32
"""Scans worth a statement: more cost little less each, and PostgreSQL waits while they are gathered."""

_BULK_OVER, _BULK_AT_ONCE = 32, 100
"""Scans of a batch larger than the first go after all others, so many in a group: beyond a hundred rows a group is
hardly cheaper a row (docs/adr), and a single scan behind a thousand rows would wait for all of them."""

_LOOKS_FIRST_FOR = 20
"""Groups that are written with a look for what is there, after one in which something was: repeats come in crowds."""

Encode = Callable[[Scan, str], bytes]
"""The event of a scan and its id in writing, as bytes."""

KeepTaken = Callable[[Sequence[Scan]], Sequence[bool]]
"""Keeps beside recorded scans what their gates had decided alone; of each whether it is kept. Called in a thread."""

Tell = Callable[[Ruling | Exception], None]
"""What is called, once, with a scan's ruling or why there is none; it must not raise."""

TellAll = Callable[[Sequence[Ruling | Exception]], None]
"""The same for scans that came together, in their order."""


class _Answers:
    """Of scans that came together, in their order; `tell_all` is called when each has one."""

    __slots__ = ("_found", "_missing", "_tell_all")

    def __init__(self, scans: int, tell_all: TellAll) -> None:
        self._found: list[Ruling | Exception | None] = [None] * scans
        self._missing, self._tell_all = scans, tell_all

    def put(self, place: int, answer: Ruling | Exception) -> None:
        self._found[place] = answer
        self._missing -= 1
        if not self._missing:
            self._tell_all([answer for answer in self._found if answer is not None])


class _Waiting:
    """A scan whose answer is awaited; the first one counts."""

    __slots__ = ("_tell", "is_answered", "row", "scan", "scan_id")

    def __init__(self, scan: Scan, scan_id: str, row: Row, tell: Tell) -> None:
        self.scan, self.scan_id, self.row, self._tell = scan, scan_id, row, tell
        self.is_answered = False

    def answer(self, answer: Ruling | Exception) -> None:
        if not self.is_answered:
            self.is_answered = True
            self._tell(answer)


Row = dict[str, object]
"""A scan by its columns, its event and the event's headers, as orjson writes it; what is null is left out."""

Group = dict[str, list[_Waiting]]
"""By scan_id, sorted: the scan, and after it its copies."""


class ScanLog:
    def __init__(
        self,
        database_url: str,
        *,
        encode: Encode,
        keep_taken: KeepTaken,
        connections: int = 2,
        group_max: int = 500,
        queue_max: int = 5000,
        append_timeout_s: float = 5.0,
        fresh: FreshHolders | None = None,
    ) -> None:
        self._database_url, self._encode, self._keep_taken = database_url, encode, keep_taken
        self._group_max, self._queue_max, self._timeout_s = group_max, queue_max, append_timeout_s
        self._queue: deque[_Waiting] = deque()
        self._bulk: deque[_Waiting] = deque()
        self._is_filled = asyncio.Event()
        self._gathering = asyncio.Lock()
        self._is_closing = False
        self._connections = connections
        self._looks_first_for = 0
        self._fresh = fresh or FreshHolders()
        self._writers: list[asyncio.Task[None]] = []
        self._answering_late: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        self._writers = [asyncio.create_task(self._write_groups()) for _ in range(self._connections)]

    async def close(self) -> None:
        """Write what waits, then end."""
        self._is_closing = True
        self._is_filled.set()
        if self._writers:
            await asyncio.wait(self._writers, timeout=2 * self._timeout_s)
        if self._answering_late:
            await asyncio.wait(self._answering_late, timeout=2 * self._timeout_s)
        for writer in self._writers:
            writer.cancel()
        for queue in (self._queue, self._bulk):
            self._fail(queue, StoreUnavailable())
            queue.clear()

    def waiting(self) -> int:
        return len(self._queue) + len(self._bulk)

    # -- appending ---------------------------------------------------------------------------------------------------

    async def append(self, scan: Scan) -> Ruling:
        """The scan's ruling, once it is durable; of a repeat the first one.

        Raises `ScanIdReused`, `Overloaded` (nothing was tried) or `StoreUnavailable` (nothing is known).
        """
        (answer,) = await self.append_all([scan])
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def append_all(self, scans: Sequence[Scan]) -> list[Ruling | Exception]:
        """The same for many at once: per scan its ruling or why there is none. Raises `Overloaded` for all."""
        told: asyncio.Future[Sequence[Ruling | Exception]] = asyncio.get_running_loop().create_future()
        self.append_all_soon(scans, lambda found: None if told.done() else told.set_result(found))
        return list(await told)

    def append_soon(self, scan: Scan, tell: Tell) -> None:
        """As `append`, for who does not wait: `tell` is called with the ruling or the error. Raises `Overloaded`."""
        self._enqueue([(scan, tell)])

    def append_all_soon(self, scans: Sequence[Scan], tell_all: TellAll) -> None:
        """As `append_all`, for who does not wait. Raises `Overloaded`."""
        if not scans:
            return tell_all([])
        answers = _Answers(len(scans), tell_all)
        return self._enqueue([(scan, partial(answers.put, place)) for place, scan in enumerate(scans)])

    def _enqueue(self, scans: Sequence[tuple[Scan, Tell]]) -> None:
        if self._is_closing or self.waiting() + len(scans) > self._queue_max:
            _refused.add(len(scans), {"reason": "overloaded"})
            raise Overloaded()
        trace = trace_headers()
        queue = self._queue if len(scans) <= _BULK_OVER else self._bulk
        queue.extend([self._waiting(scan, trace, tell) for scan, tell in scans])
        self._is_filled.set()

    def _waiting(self, scan: Scan, trace: dict[str, str], tell: Tell) -> _Waiting:
        attempt, ruling, entry, offline = scan.attempt, scan.ruling, scan.entry, scan.attempt.offline
        scan_id = str(attempt.scan_id)
        row: Row = {
            "scan_id": scan_id,
            "checkpoint_id": scan.checkpoint.checkpoint_id,
            "scanned_at": attempt.scanned_at,
            "recorded_at": ruling.recorded_at,
            "decision": ruling.decision,
            "colour": ruling.colour,
            "refusal": ruling.refusal,
            "policy_version": ruling.policy_version,
            "board_revision": ruling.board_revision,
            "direction": attempt.direction,
            "is_self_reported": attempt.is_self_reported,
            "digest": "\\x" + attempt.digest.hex(),
            "payload": "\\x" + self._encode(scan, scan_id).hex(),
            "headers": header_columns(f"scan/{scan_id}", 1, attempt.scanned_at, scan.checkpoint.district) | trace,
        }
        if entry is not None:
            row["list"], row["idx"] = entry.list, entry.idx
        person_ref = attempt.person_ref or (None if entry is None else self._fresh.get(entry))
        if person_ref is not None:
            row["person_ref"] = person_ref
        if attempt.vehicle_ref is not None:
            row["vehicle_ref"] = attempt.vehicle_ref
        if attempt.temperature_c is not None:
            row["temperature_c"] = attempt.temperature_c
        if attempt.gate_said_at is not None:
            row["gate_said_at"] = attempt.gate_said_at
        if scan.use is not None:
            row["pass_iat"] = scan.use.issued_at_s
            if scan.use.as_reused is not None:
                row["as_reused"] = scan.use.as_reused
        if offline is not None:
            row["offline_decision"], row["offline_refusal"] = offline.decision, offline.refusal
            row["offline_policy_version"] = offline.policy_version
            row["offline_list_revision"] = offline.list_revision
        return _Waiting(scan, scan_id, row, tell)

    # -- writing -----------------------------------------------------------------------------------------------------

    async def _write_groups(self) -> None:
        """One writer: its own connection, one group after the other, for ever."""
        connection: Connection | None = None
        while True:
            group = await self._next_group()
            if not group:
                if connection is not None:
                    await connection.close()
                return
            try:
                if connection is None or connection.broken or connection.closed:
                    connection = await self._connect()
                with hanging_up(connection, after_s=self._timeout_s):
                    await self._write(connection, group)
            except Exception as error:
                log.warning("a group of scans was not written", error=type(error).__name__, size=len(group))
                self._fail((each for copies in group.values() for each in copies), StoreUnavailable())
                if connection is not None:
                    await connection.close()

    async def _next_group(self) -> Group:
        """What waits, as soon as something does; empty when this closes. One writer gathers at a time."""
        async with self._gathering:
            while not self.waiting():
                if self._is_closing:
                    return {}
                self._is_filled.clear()
                await self._is_filled.wait()
            await self._let_more_come()
            return self._take_group()

    async def _let_more_come(self) -> None:
        """Wait as long as the turns of the event loop bring more scans: a group costs as much as several scans.

        An idle process writes after two turns, a fraction of a millisecond.
        """
        loop, size, quiet, enough = asyncio.get_running_loop(), 0, 0, min(_ENOUGH, self._group_max)
        until = loop.time() + _GATHER_S_MAX
        while quiet < 2 and self.waiting() < enough and loop.time() < until:
            size = self.waiting()
            await asyncio.sleep(0)
            quiet = quiet + 1 if self.waiting() <= size else 0

    def _take_group(self) -> Group:
        """The next group: copies joined, sorted by scan_id; of large batches a part, so that no gate waits for them."""
        group: Group = {}
        for queue, most in ((self._queue, self._group_max), (self._bulk, _BULK_AT_ONCE)):
            room = min(self._group_max, len(group) + most)
            while queue and len(group) < room:
                waiting = queue.popleft()
                group.setdefault(waiting.scan_id, []).append(waiting)
        return dict(sorted(group.items()))

    async def _connect(self) -> Connection:
        timeout_ms = int(self._timeout_s * 1000)
        return await psycopg.AsyncConnection.connect(
            self._database_url,
            autocommit=True,
            connect_timeout=max(2, int(self._timeout_s)),
            application_name="scan_log",
            prepare_threshold=0,
            options=f"-c synchronous_commit=on -c TimeZone=UTC -c lock_timeout={timeout_ms} "
            f"-c statement_timeout={timeout_ms} {PLANNER}",
        )

    async def _write(self, connection: Connection, group: Group) -> None:
        for part in _parts_of(group):
            await self._write_part(connection, part)

    async def _write_part(self, connection: Connection, group: Group) -> None:
        try:
            await self._write_together(connection, group)
        except psycopg.Error as error:
            if connection.broken or connection.closed or (error.sqlstate or "08")[:2] in _TROUBLE_OF_THE_STORE:
                raise
            log.warning("a group failed, its scans are tried singly", error=type(error).__name__, size=len(group))
            await self._write_singly(connection, group)

    async def _write_singly(self, connection: Connection, group: Group) -> None:
        for scan_id, copies in group.items():
            try:
                await self._write_together(connection, {scan_id: copies})
            except psycopg.Error as error:
                if connection.broken or connection.closed:
                    raise
                log.error("a scan cannot be recorded", scan_id=scan_id, error=type(error).__name__)
                self._fail(copies, StoreUnavailable())

    async def _write_together(self, connection: Connection, group: Group) -> None:
        recorded = await self._record(connection, group)
        _groups.add(1)
        _recorded.add(len(recorded))
        late: list[_Late] = []
        for scan_id, refusal in recorded.items():
            first, *copies = group[scan_id]
            ruling = _ruling(first.scan, refusal)
            first.answer(ruling)
            late += _answer_copies(copies, first.scan.attempt.digest, ruling)
        if len(recorded) < len(group):
            again = {scan_id: copies for scan_id, copies in group.items() if scan_id not in recorded}
            late += await self._answer_again(connection, again)
        if late:
            self._answering_late.add(task := asyncio.create_task(self._answer_late(late)))
            task.add_done_callback(self._answering_late.discard)

    async def _record(self, connection: Connection, group: Group) -> dict[str, str | None]:
        """The refusals of the scans that are new, by scan_id."""
        rows = [copies[0].row for copies in group.values()]
        given = (orjson.dumps(rows, option=orjson.OPT_UTC_Z).decode(),)
        has_claims, has_clocks_off = any("as_reused" in row for row in rows), any("gate_said_at" in row for row in rows)
        kind = has_claims, any(_ends_repeats(row) for row in rows), has_clocks_off
        if not self._looks_first_for:
            try:
                await connection.execute(RECORD[Kind(*kind, looks_first=False)], given)
            except psycopg.errors.UniqueViolation:
                self._looks_first_for = _LOOKS_FIRST_FOR
            else:
                return dict.fromkeys(group)
        self._looks_first_for = max(0, self._looks_first_for - 1)
        cursor = await connection.execute(RECORD[Kind(*kind, looks_first=True)], given)
        return dict(await cursor.fetchall())

    async def _answer_again(self, connection: Connection, group: Group) -> list[_Late]:
        """Scans that were recorded before: the first answer for the same content.

        Who was not let in then has not used a pass up, and nor has who comes under the id of another.
        """
        late: list[_Late] = []
        cursor = await connection.execute(FIRST_ANSWERS, ([UUID(scan_id) for scan_id in group],))
        unused = []
        for scan_id, digest, number, idx, iat, direction, *ruled in await cursor.fetchall():
            copies, first = group[str(scan_id)], _first_answer(*ruled)
            late += _answer_copies(copies, bytes(digest), first)
            if not _has_used(copies[0].scan, (number, idx, iat, direction), first):
                unused.append(copies[0].scan)
        if (claims := given_back(unused)) is not None:
            await connection.execute(GIVE_BACK, claims)
        known = {each for each, _ in late}
        self._fail((e for copies in group.values() for e in copies if e not in known), StoreUnavailable())
        return late

    async def _answer_late(self, late: Sequence[_Late]) -> None:
        """Of these the gate never had the answer and decided alone: that is kept beside the scan, then it has it.

        No writer waits for it.
        """
        try:
            kept = await asyncio.to_thread(self._keep_taken, [waiting.scan for waiting, _ in late])
        except Exception as error:
            log.warning("what gates decided alone was not kept", error=type(error).__name__, size=len(late))
            return self._fail((waiting for waiting, _ in late), StoreUnavailable())
        for (waiting, first), is_kept in zip(late, kept, strict=True):
            waiting.answer(first if is_kept else ScanIdReused())
        return None

    def _fail(self, waiting: Iterable[_Waiting], error: Exception) -> None:
        """Fail those that have no answer yet."""
        unanswered = [each for each in waiting if not each.is_answered]
        for each in unanswered:
            each.answer(error)
        if unanswered:
            _refused.add(len(unanswered), {"reason": "store_unavailable"})


def _ends_repeats(row: Row) -> bool:
    """Whether somebody who showed a pass is not let in: what the gate reads after that is no repeat of a use before."""
    if "pass_iat" not in row or "as_reused" in row:
        return False
    return (row.get("offline_decision") or row["decision"]) != Decision.PASS


def _parts_of(group: Group) -> list[Group]:
    """The group, parted where a pass is used and refused: a statement does not see what it writes itself."""
    ended = {_use_key(copies[0].row) for copies in group.values() if _ends_repeats(copies[0].row)}
    if not ended:
        return [group]
    parts: list[Group] = [{}]
    seen: dict[tuple[object, ...], bool] = {}
    for scan_id, copies in group.items():
        row = copies[0].row
        is_use = "as_reused" in row
        if is_use or _ends_repeats(row):
            key = _use_key(row)
            if seen.get(key, is_use) != is_use:
                parts.append({})
                seen = {}
            if key in ended:
                seen[key] = is_use
        parts[-1][scan_id] = copies
    return parts


def _use_key(row: Row) -> tuple[object, ...]:
    return row["list"], row["idx"], row["pass_iat"], row["direction"] == "out"


def _ruling(scan: Scan, refusal: str | None) -> Ruling:
    """As it was recorded: decided here, or by who had used the pass before."""
    if refusal != Refusal.PASS_REUSED or scan.use is None or scan.use.as_reused is None:
        return scan.ruling
    return scan.ruling._replace(decision=scan.use.as_reused, refusal=Refusal.PASS_REUSED)


def _first_answer(decision: str, colour: str, refusal: str | None, *rest: Any) -> Ruling:
    return Ruling(Decision(decision), Colour(colour), None if refusal is None else Refusal(refusal), *rest)


def _has_used(scan: Scan, use: tuple[object, ...], first: Ruling) -> bool:
    """Whether a scan let somebody in when it was recorded, with this very pass: (list, idx, pass_iat, direction)."""
    if scan.entry is None or scan.use is None:
        return False
    is_same = (*scan.entry, scan.use.issued_at_s, scan.attempt.direction) == use
    return is_same and (first.decision is Decision.PASS or scan.attempt.offline is not None)


_Late = tuple[_Waiting, Ruling]
"""A scan that was recorded as it came before its gate decided alone, and the answer that it had."""


def _answer_copies(copies: Iterable[_Waiting], digest: bytes, ruling: Ruling) -> list[_Late]:
    """Those that are not answered yet, for what their gate decided is to be kept first."""
    late = []
    for copy in copies:
        if copy.scan.attempt.digest == digest:
            copy.answer(ruling)
        elif copy.scan.attempt.is_recorded_as(digest):
            late.append((copy, ruling))
        else:
            copy.answer(ScanIdReused())
    return late
