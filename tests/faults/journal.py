"""What gates sent and what was acknowledged; and the judgement: nothing lost, nothing twice, all in order."""

from __future__ import annotations

import hashlib
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx
import psycopg

from chassis.event_log import EventLogUnavailable, Place, Received
from guanka.home import Home
from guanka.tail import open_running_log
from tests.running import Product

TOPIC = "checkpoints.scans.v1"
PATIENCE_S = 180.0
_BATCH = 250


@dataclass(slots=True)
class Line:
    """One scan: times are of the monotonic clock, `acknowledged_at` None for what was never answered with 200."""

    scan_id: str
    person: int
    body: bytes
    digest: bytes
    sent_at: float
    acknowledged_at: float | None = None
    answer: dict[str, Any] | None = None


@dataclass(slots=True)
class Journal:
    """One run's lines, and what happened to its requests besides: `refused`, `closed`, `reset`, `timeout`, `503` …

    `struck_at` is when the fault came (monotonic clock), where that is known to the moment; of the requests `under_way`
    then, those are `cut_off` whose connection ended without an answer, by a clean close or not.
    """

    lines: list[Line] = field(default_factory=list)
    outcomes: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    struck_at: float | None = None
    under_way: int = 0
    cut_off: int = 0
    contradicted: int = 0
    longest_silence_s: float = 0.0
    _last_at: float = 0.0

    def open_line(self, scan_id: str, person: int, body: bytes) -> Line:
        line = Line(scan_id, person, body, hashlib.sha256(body).digest(), time.monotonic())
        self.lines.append(line)
        return line

    def strike(self) -> None:
        """The fault comes now."""
        self.struck_at = time.monotonic()

    def note(self, outcome: str, sent_at: float | None) -> None:
        """How a request ended; `sent_at` is when the last byte of it had been sent, None where that never was.

        A connection that is closed between two requests may meet the second on its way, and whoever sent that cannot
        know. One that was sent before the fault came was there to be read.
        """
        self.outcomes[outcome] += 1
        if sent_at is not None and self.struck_at is not None and sent_at < self.struck_at:
            self.under_way += 1
            self.cut_off += outcome in ("closed", "reset")

    def acknowledge(self, line: Line, answer: dict[str, Any]) -> None:
        """The first answer is kept; a later one that differs contradicts it."""
        if line.answer is not None:
            self.contradicted += ruled(answer) != ruled(line.answer)
            return
        line.answer, line.acknowledged_at = answer, time.monotonic()
        if self._last_at:
            self.longest_silence_s = max(self.longest_silence_s, line.acknowledged_at - self._last_at)
        self._last_at = line.acknowledged_at

    def acknowledged(self) -> list[Line]:
        return [line for line in self.lines if line.acknowledged_at is not None]


@dataclass(slots=True)
class Verdict:
    """Of one run or, added up, of many; the first four must be 0, and `cut_off` where a process was asked to end."""

    lost: int = 0
    twice: int = 0
    disordered: int = 0
    contradicted: int = 0
    sent: int = 0
    acknowledged: int = 0
    unanswered: int = 0
    under_way: int = 0
    cut_off: int = 0
    longest_silence_s: float = 0.0

    def is_clean(self) -> bool:
        return self.lost == self.twice == self.disordered == self.contradicted == 0

    def __add__(self, other: Verdict) -> Verdict:
        counts = {name: getattr(self, name) + getattr(other, name) for name in COUNTS}
        return Verdict(**counts, longest_silence_s=max(self.longest_silence_s, other.longest_silence_s))


COUNTS = ("lost", "twice", "disordered", "contradicted", "sent", "acknowledged", "unanswered", "under_way", "cut_off")


def ends_of(product: Product) -> dict[Place, int]:
    """Where the log of scans ends now."""
    event_log = open_running_log(Home(product.home))
    try:
        return {(TOPIC, partition): end for partition, (_, end) in event_log.bounds(TOPIC).items()}
    finally:
        event_log.close()


def judge(product: Product, journal: Journal, since: Mapping[Place, int], token: str) -> Verdict:
    """Every acknowledged scan stands in the table, was told and counted once, in order, and is answered as before.

    Two neighbours of an aggregate may be told in any order when the later was sent before the earlier was acknowledged.
    """
    stored = _stored(product, journal.lines)
    contradicted = journal.contradicted + _send_again(product, journal.acknowledged(), token)
    records = _told(product, since, stored)
    told, twice = first_told(records)
    too_many = _counted_too_many(product, patience_s=PATIENCE_S + len(stored) / 500)
    acknowledged = journal.acknowledged()
    missing = sum(line.scan_id not in stored for line in acknowledged) + len(stored - told.keys())
    return Verdict(
        lost=missing + max(0, -too_many),
        twice=twice + max(0, too_many),
        disordered=disordered(journal.lines, told),
        contradicted=contradicted,
        sent=len(journal.lines),
        acknowledged=len(acknowledged),
        unanswered=sum(count for outcome, count in journal.outcomes.items() if outcome != "200"),
        under_way=journal.under_way,
        cut_off=journal.cut_off,
        longest_silence_s=journal.longest_silence_s,
    )


def first_told(records: Iterable[Received]) -> tuple[dict[str, tuple[str, Place, int]], int]:
    """(per scan the key, place and offset of its first event, how many are told by more than one event).

    Repeats of an event are dropped as consumers do, by source and id; an event of revision 2 completes the first.
    """
    seen: set[tuple[bytes | None, bytes | None]] = set()
    first: dict[str, tuple[str, Place, int]] = {}
    revisions: set[tuple[str, bytes]] = set()
    twice = 0
    for record in records:
        identity = record.header("ce_source"), record.header("ce_id")
        if identity in seen or not (record.header("ce_type") or b"").endswith(b".ScanRecorded"):
            continue
        seen.add(identity)
        scan_id = (record.header("ce_subject") or b"").decode().removeprefix("scan/")
        revision = scan_id, record.header("ce_revision") or b"1"
        twice += revision in revisions
        revisions.add(revision)
        first.setdefault(scan_id, (record.key, (record.topic, record.partition), record.offset))
    return first, twice


def disordered(lines: Iterable[Line], told: Mapping[str, tuple[str, Place, int]]) -> int:
    """Scans told before one of the same aggregate that was acknowledged before they were sent."""
    by_key: dict[tuple[str, Place], list[tuple[int, Line]]] = defaultdict(list)
    for line in lines:
        if line.scan_id in told:
            key, place, offset = told[line.scan_id]
            by_key[key, place].append((offset, line))
    found = 0
    for entries in by_key.values():
        acknowledged_later = float("inf")
        for _, line in sorted(entries, key=lambda entry: entry[0], reverse=True):
            found += acknowledged_later < line.sent_at
            if line.acknowledged_at is not None:
                acknowledged_later = min(acknowledged_later, line.acknowledged_at)
    return found


def ruled(answer: Mapping[str, Any] | None) -> dict[str, Any]:
    """What was recorded; the masked name to compare is fetched from codes for each answer, where codes answers."""
    return {name: value for name, value in (answer or {}).items() if name != "person"}


def _send_again(product: Product, lines: Sequence[Line], token: str) -> int:
    """How many get another answer than the first."""
    different = 0
    with httpx.Client(base_url=product.address("checkpoints"), timeout=60) as client:
        for n in range(0, len(lines), _BATCH):
            part = lines[n : n + _BATCH]
            body = b'{"scans":[' + b",".join(line.body for line in part) + b"]}"
            results = _post(client, body, token)["results"]
            different += sum(ruled(result) != ruled(line.answer) for result, line in zip(results, part, strict=True))
    return different


def _post(client: httpx.Client, body: bytes, token: str) -> dict[str, Any]:
    deadline = time.monotonic() + PATIENCE_S
    while True:
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        try:
            answer = client.post("/v1/scans/batch", content=body, headers=headers)
            if answer.status_code == 200:
                return dict(answer.json())
            said = answer.text
        except httpx.TransportError as error:
            said = str(error)
        assert time.monotonic() < deadline, f"the product does not take scans again: {said}"
        time.sleep(0.25)


def _stored(product: Product, lines: Sequence[Line]) -> set[str]:
    """The scans of the journal that stand in the table; that none stands there twice is the table's primary key."""
    with _connected(product) as connection:
        rows = connection.execute(
            "SELECT scan_id::text FROM scan WHERE scan_id = ANY(%s::uuid[])", ([line.scan_id for line in lines],)
        ).fetchall()
    assert len(rows) == len({scan_id for (scan_id,) in rows})
    return {scan_id for (scan_id,) in rows}


def _told(product: Product, since: Mapping[Place, int], stored: set[str]) -> list[Received]:
    """The log since then, once it tells of all that is stored and the outbox is empty; or what there is when not."""
    event_log = open_running_log(Home(product.home))
    reader = event_log.reader("faults")
    reader.seek(since)
    records: list[Received] = []
    missing = set(stored)
    deadline = time.monotonic() + PATIENCE_S + len(stored) / 500
    try:
        while time.monotonic() < deadline:
            try:
                new = reader.poll(wait_s=0.5, records_max=5000)
            except EventLogUnavailable:
                continue
            records += new
            missing -= {(record.header("ce_subject") or b"").decode().removeprefix("scan/") for record in new}
            if not missing and not new and _is_outbox_empty(product):
                break
    finally:
        reader.close()
        event_log.close()
    return records


def _counted_too_many(product: Product, patience_s: float) -> int:
    """By how many the worker's tally, which it adds up from the events, differs from the table in the end."""
    deadline = time.monotonic() + patience_s
    while True:
        with _connected(product) as connection:
            counted = "(SELECT coalesce(sum(scans), 0) FROM scan_tally)"
            asked = f"SELECT {counted} - (SELECT count(*) FROM scan WHERE repeat_of IS NULL)"  # noqa: S608 (our own words)
            [(difference,)] = connection.execute(asked).fetchall()
        if difference == 0 or time.monotonic() > deadline:
            return int(difference)
        time.sleep(0.25)


def _is_outbox_empty(product: Product) -> bool:
    with _connected(product) as connection:
        return connection.execute("SELECT 1 FROM outbox LIMIT 1").fetchone() is None


def _connected(product: Product) -> psycopg.Connection:
    """The database may still be about to come back."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            return psycopg.connect(product.running["databases"]["checkpoints"])
        except psycopg.OperationalError:
            assert time.monotonic() < deadline
            time.sleep(0.1)
