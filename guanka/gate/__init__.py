"""`guanka gate`, the reference gate: it asks its server when it can, decides alone when it cannot, and loses nothing.

A scan's way, and a form's: kept on disk; sent to the server, whose answer is shown; or, without an answer, decided from
the bundle, that decision kept on disk, and only then shown. Beside it bundles are fetched and what waits is uploaded.
"""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from guanka.gate.areas import AreaNames
from guanka.gate.clock import GateClock
from guanka.gate.deciding import decide_offline, uses_in
from guanka.gate.link import Away, Link, Refused
from guanka.gate.progress import Numbered, Progress, unread
from guanka.gate.reading import LineRefused, read_scan, said_in, seen_in
from guanka.gate.registering import FORM, TO_CORRECT, Registering, is_correction
from guanka.gate.showing import Displayed, Show
from guanka.gate.uploading import NOT_ITS_OWN_FAULT, Errands
from guanka.gate.waiting import GateMemory
from services.checkpoints.domain.clocks import is_off
from services.checkpoints.domain.scans import Attempt, Decision


class Gate:
    """Every line is a pass that was shown to a scanner, or the number that a card reader types, and nothing in it is an
    order: a QR code may say anything.

    `takes_json_lines`: trusted devices give the lines, which may be JSON objects with more than a pass.
    `takes_forms`: a guard gives the lines, and is asked for forms; with both, a line may be a whole form.
    """

    def __init__(
        self,
        checkpoint: str,
        link: Link,
        memory: GateMemory,
        show: Show,
        *,
        takes_json_lines: bool = False,
        takes_forms: bool = False,
        clock: GateClock | None = None,
        areas: AreaNames | None = None,
    ) -> None:
        self._clock = clock = clock or GateClock(memory, show)
        self._checkpoint, self._link, self._memory, self._show = checkpoint, link, memory, show
        self._takes_json_lines, self._takes_forms = takes_json_lines, takes_forms
        self.errands = Errands(checkpoint, link, memory, show, clock)
        self._registering = Registering(checkpoint, link, memory, show, self.errands, clock, areas)

    def take_lines(self, lines: Iterable[str], source: str | None = None) -> None:
        """Every line a scan or a form; of a file that was cut off before, what is left of it."""
        for line, number, progress in self._numbered(lines, source):
            self.take_line(line.strip(), number, progress)
        self._registering.give_up()
        if source is not None:
            self._memory.finish(source)

    def _numbered(self, lines: Iterable[str], source: str | None) -> Iterator[Numbered]:
        if source is None:
            return ((line, number, None) for number, line in enumerate(lines, 1))
        kept = self._memory.progress(source)
        done, rest = unread(lines, source, kept)
        if done:
            self._show.remark(f"going on after line {done}, where this file was cut off")
        elif kept is not None:
            said = f"this file is not the one that was cut off after line {kept.lines}: it is read from its beginning"
            self._show.remark(said, style="yellow")
        return rest

    def take_line(self, line: str, number: int = 1, progress: Progress | None = None) -> None:
        try:
            if self._takes_forms and self._registering.takes(line):
                return self._registering.hear(line, number, progress)
            if not line:
                return None
            said = self._said_in(line)
            if self._takes_forms and (FORM in said or TO_CORRECT in said):
                self._registering.take_line(said, number, progress)
            else:
                self._scan(said, number, progress)
        except LineRefused as error:
            self._show.refused_line(number, str(error))
        return None

    def _said_in(self, line: str) -> dict[str, Any]:
        """Raises `LineRefused`."""
        if self._takes_json_lines or (self._takes_forms and is_correction(line)):
            return seen_in(line)
        return said_in(line)

    def tell_to_correct(self) -> None:
        self._registering.tell_to_correct()

    def _scan(self, said: dict[str, Any], number: int, progress: Progress | None) -> None:
        """Raises `LineRefused`."""
        now = self._clock.now()
        body, attempt = read_scan(said, self._checkpoint, now)
        self._memory.scans.take(body, progress)
        try:
            is_of_now = not is_off(attempt.scanned_at, now)
            if not (is_of_now and self._link.is_up() and self._ask_server(body, attempt, number)):
                self._decide_alone(body, attempt)
        finally:
            self._memory.scans.release()

    def _ask_server(self, body: dict[str, Any], attempt: Attempt, number: int) -> bool:
        """Whether the matter is settled: answered, or refused for what the line says."""
        asked_at = self._clock.asks()
        try:
            answer = self._link.scan(body)
        except Away as error:
            self.errands.note_away(str(error))
            return False
        except Refused as error:
            if error.status in NOT_ITS_OWN_FAULT:
                self._show.remark(f"the server refuses this gate: {error}", style="red")
                return False
            self._show.refused_line(number, error.detail)
            self._memory.scans.settle([body["scan_id"]])
            return True
        if "recorded_at" in answer:
            self._clock.answered(asked_at, datetime.fromisoformat(answer["recorded_at"]))
        person = answer.get("person")
        self._show.decision(
            Displayed(
                answer["scan_id"],
                answer["decision"],
                answer["colour"],
                answer["refusal"],
                answer["say"]["zh"],
                answer["say"]["en"],
                "server",
                answer["policy_version"],
                f"{person['name_masked']} …{person['document_tail']}" if person else "",
            )
        )
        uses = uses_in(self.errands.bundles.knowledge, attempt)
        self._memory.scans.settle([body["scan_id"]], uses, is_let_in=answer["decision"] == Decision.PASS)
        return True

    def _decide_alone(self, body: dict[str, Any], attempt: Attempt) -> None:
        knowledge = self.errands.bundles.knowledge
        taken = decide_offline(knowledge, attempt, self._clock.latest(), self._memory.used_at)
        offline = taken.for_upload()
        self._memory.scans.decide(
            body["scan_id"],
            {
                "decision": offline.decision,
                "refusal": offline.refusal,
                "policy_version": offline.policy_version,
                "list_revision": offline.list_revision,
            },
            uses_in(knowledge, attempt),
            is_let_in=taken.decision is Decision.PASS,
        )
        self._show.decision(
            Displayed(
                body["scan_id"],
                taken.decision,
                taken.colour,
                taken.refusal,
                taken.say.zh,
                taken.say.en,
                "gate",
                taken.policy_version,
            )
        )


def run(
    *,
    checkpoint: str,
    server: str,
    token: str,
    state: Path,
    lines: Iterable[str],
    source: str | None,
    is_offline: bool,
    is_json: bool,
    takes_json_lines: bool,
    takes_forms: bool,
    policy_jwks: Mapping[str, Any] | None,
    trust: ssl.SSLContext,
    areas: AreaNames | None = None,
) -> int:
    """Take every line, then upload what waits as far as the server can be reached; exit status 0."""
    show, memory = Show(is_json=is_json), GateMemory(state)
    if policy_jwks is not None:
        memory.trust(policy_jwks)
    link = Link(server, token, is_open=not is_offline, trust=trust)
    gate = Gate(checkpoint, link, memory, show, takes_json_lines=takes_json_lines, takes_forms=takes_forms, areas=areas)
    gate.errands.bundles.load()
    gate.tell_to_correct()
    gate.errands.turn()
    stop = threading.Event()
    beside = threading.Thread(target=gate.errands.run, args=(stop,), name="errands", daemon=True)
    beside.start()
    try:
        gate.take_lines(lines, source)
    except KeyboardInterrupt:
        show.remark("stopped")
    finally:
        stop.set()
        beside.join(timeout=35)
        gate.errands.turn()
        for left, things in ((memory.scans.count(), "scans"), (memory.forms.count(), "registrations")):
            if left:
                show.remark(
                    f"{left} {things} wait for the server; start this gate again to upload them", style="yellow"
                )
        gate.tell_to_correct()
        link.close()
        memory.close()
    return 0
