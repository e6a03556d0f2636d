"""`guanka gate`, the reference gate: it asks its server when it can, decides alone when it cannot, and loses nothing.

A scan's way, and a form's: kept on disk; sent to the server, whose answer is shown; or, without an answer, decided from
the bundle, that decision kept on disk, and only then shown. Beside it bundles are fetched and what waits is uploaded.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from guanka.gate.deciding import decide_offline
from guanka.gate.link import Away, Link, Refused
from guanka.gate.reading import LineRefused, read_scan, seen_in
from guanka.gate.registering import FORM, TO_CORRECT, Registering
from guanka.gate.showing import Displayed, Show
from guanka.gate.uploading import NOT_ITS_OWN_FAULT, Errands
from guanka.gate.waiting import GateMemory
from services.checkpoints.domain.scans import Attempt


class Gate:
    """`is_passes_only`: every line is what somebody showed to a scanner, and nothing in it is an order.

    `takes_forms`: a guard gives the lines, and registers people; else whoever shows a code could register himself.
    """

    def __init__(
        self,
        checkpoint: str,
        link: Link,
        memory: GateMemory,
        show: Show,
        *,
        is_passes_only: bool = False,
        takes_forms: bool = False,
    ) -> None:
        self._checkpoint, self._link, self._memory, self._show = checkpoint, link, memory, show
        self._is_passes_only, self._takes_forms = is_passes_only, takes_forms
        self.errands = Errands(checkpoint, link, memory, show)
        self._registering = Registering(checkpoint, link, memory, show, self.errands)

    def take_lines(self, lines: Iterable[str], source: str | None = None) -> None:
        """Every line a scan or a form; of a file that was cut off before, what is left of it."""
        done = 0 if source is None else self._memory.lines_read(source)
        if done:
            self._show.remark(f"going on after line {done}, where this file was cut off")
        for number, line in enumerate(lines, 1):
            if number > done:
                self.take_line(line.strip(), number, source)
        self._registering.give_up()
        if source is not None:
            self._memory.finish(source)

    def take_line(self, line: str, number: int = 1, source: str | None = None) -> None:
        try:
            if self._is_passes_only:
                return self._scan({"pass": line}, number, source) if line else None
            if self._takes_forms and self._registering.takes(line):
                return self._registering.hear(line, number, source)
            if not line:
                return None
            said = seen_in(line)
            if self._takes_forms and (FORM in said or TO_CORRECT in said):
                self._registering.take_line(said, number, source)
            else:
                self._scan(said, number, source)
        except LineRefused as error:
            self._show.refused_line(number, str(error))
        return None

    def tell_to_correct(self) -> None:
        self._registering.tell_to_correct()

    def _scan(self, said: dict[str, Any], number: int, source: str | None) -> None:
        """Raises `LineRefused`."""
        body, attempt = read_scan(said, self._checkpoint, datetime.now(UTC))
        self._memory.scans.take(body, source, number)
        try:
            if not (self._link.is_up() and self._ask_server(body, number)):
                self._decide_alone(body, attempt)
        finally:
            self._memory.scans.release()

    def _ask_server(self, body: dict[str, Any], number: int) -> bool:
        """Whether the matter is settled: answered, or refused for what the line says."""
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
        self._memory.scans.settle([body["scan_id"]])
        return True

    def _decide_alone(self, body: dict[str, Any], attempt: Attempt) -> None:
        taken = decide_offline(self.errands.knowledge, attempt)
        offline = taken.for_upload()
        self._memory.scans.decide(
            body["scan_id"],
            {
                "decision": offline.decision,
                "refusal": offline.refusal,
                "policy_version": offline.policy_version,
                "list_revision": offline.list_revision,
            },
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
    is_passes_only: bool,
    takes_forms: bool,
) -> int:
    """Take every line, then upload what waits as far as the server can be reached; exit status 0."""
    show, memory = Show(is_json=is_json), GateMemory(state)
    link = Link(server, token, is_open=not is_offline)
    gate = Gate(checkpoint, link, memory, show, is_passes_only=is_passes_only, takes_forms=takes_forms)
    gate.errands.load_bundle()
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
