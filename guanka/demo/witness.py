"""A witness who knows only the event log: what happened when, and the chain from a case to a stop at a gate."""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from chassis.event_log import EventLogUnavailable, Place, Received
from guanka.home import Home
from guanka.tail import TOPICS, decoded, open_running_log

STOPPING = frozenset({1, 2})
"""Red and yellow, as the status list writes them."""


@dataclass(frozen=True, slots=True)
class Seen:
    """An event as the log holds it: when it was appended (Unix seconds), its attributes and its decoded data."""

    at: float
    id: str
    type: str
    subject: str
    data: dict[str, Any]


@dataclass(slots=True)
class Witness:
    """Reads every topic from where it stood when `watch` was called, in a thread of its own."""

    home: Home
    seen: list[Seen] = field(default_factory=list)
    scan_events: dict[str, int] = field(default_factory=dict)
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def watch(self) -> None:
        event_log = open_running_log(self.home)
        positions: dict[Place, int] = {
            (topic, partition): end for topic in TOPICS for partition, (_, end) in event_log.bounds(topic).items()
        }
        event_log.close()
        self._thread = threading.Thread(target=self._read, args=(positions,), name="witness", daemon=True)
        self._thread.start()

    def _read(self, positions: dict[Place, int]) -> None:
        while not self._stop.is_set():
            event_log = open_running_log(self.home)
            reader = event_log.reader("guanka-demo")
            try:
                reader.seek(positions)
                while not self._stop.is_set():
                    for record in reader.poll(wait_s=0.3, records_max=1000):
                        self._take(record)
                        positions[record.topic, record.partition] = record.offset + 1
            except EventLogUnavailable:
                self._stop.wait(0.3)
            finally:
                reader.close()
                event_log.close()

    def _take(self, record: Received) -> None:
        kind = (record.header("ce_type") or b"").decode()
        name = kind.rpartition(".")[2]
        if name == "StandingsHeartbeat":
            return
        data = decoded(kind, record.value)
        if name == "ScanRecorded" and (record.header("ce_revision") or b"1") == b"1":
            self.scan_events[data["scan_id"]] = self.scan_events.get(data["scan_id"], 0) + 1
        identifier, subject = (record.header(each) or b"" for each in ("ce_id", "ce_subject"))
        self.seen.append(Seen(record.appended_at_ms / 1000, identifier.decode(), name, subject.decode(), data))

    def of(self, *types: str, where: Callable[[dict[str, Any]], bool] = lambda _: True) -> list[Seen]:
        return [each for each in list(self.seen) if each.type in types and where(each.data)]

    def close(self) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join(5)


@dataclass(frozen=True, slots=True)
class Chain:
    """How one contact came to be stopped, link by link, from events alone; a link that is missing is None."""

    traced: Seen | None
    opened: Seen | None
    evidence: Seen | None
    coloured: Seen | None
    standing: Seen | None
    refused: Seen | None
    alarm: Seen | None

    @property
    def is_whole(self) -> bool:
        """Every link stands, and each names the one before it."""
        links = (self.traced, self.opened, self.evidence, self.coloured, self.standing, self.refused)
        if any(link is None for link in links):
            return False
        assert self.evidence is not None
        assert self.opened is not None
        assert self.coloured is not None
        reasons = self.coloured.data.get("reasons", [])
        named = {identifier for reason in reasons for identifier in reason.get("evidence_ids", [])}
        return (
            self.evidence.data["entry_id"] == self.opened.data["entry_id"]
            and self.evidence.data["evidence_id"] in named
        )


NO_CHAIN = Chain(None, None, None, None, None, None, None)


def chain_of(witness: Witness, entry_id: str, person_ref: str) -> Chain:
    """Rebuild the chain of one contact of the case whose entry is `entry_id`."""

    def is_person(data: dict[str, Any]) -> bool:
        return bool(data.get("person_ref") == person_ref)

    def first(found: list[Seen]) -> Seen | None:
        return min(found, key=lambda each: each.at, default=None)

    def names_person(data: dict[str, Any]) -> bool:
        return any(contact["person_ref"] == person_ref for contact in data.get("contacts", []))

    traced = first(witness.of("ContactsTraced", where=lambda d: d["entry_id"] == entry_id and names_person(d)))
    opened = first(witness.of("EntryOpened", where=lambda d: is_person(d) and d.get("caused_by_entry") == entry_id))
    evidence = first(
        witness.of("EvidenceFound", where=lambda d: bool(opened) and d["entry_id"] == opened.data["entry_id"])  # type: ignore[union-attr]
    )
    coloured = first(
        witness.of("ColourChanged", where=lambda d: is_person(d) and d["colour"] in ("COLOUR_RED", "COLOUR_YELLOW"))
    )
    standing = first(witness.of("StandingsChanged", where=lambda d: person_ref in standing_people(d, STOPPING)))
    refused = first(
        witness.of(
            "ScanRecorded",
            where=lambda d: is_person(d) and d["decision"] == "stop" and d["colour"] in ("red", "yellow"),
        )
    )
    alarm = first(witness.of("AlarmRaised", where=lambda d: is_person(d) and d["kind"] == "person_stopped"))
    return Chain(traced, opened, evidence, coloured, standing, refused, alarm)


def standing_people(data: dict[str, Any], colours: frozenset[int]) -> set[str]:
    """The people to whom a StandingsChanged gives one of the colours (values of the status list)."""
    given = base64.b64decode(data.get("colours", ""))
    packed = base64.b64decode(data.get("person_refs", ""))
    people = (str(UUID(bytes=packed[n : n + 16])) for n in range(0, len(packed), 16))
    return {person for person, colour in zip(people, given, strict=True) if colour in colours}
