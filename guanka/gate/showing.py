"""What the gate shows: for people a line a scan, in colour; for programs a JSON object a line."""

from __future__ import annotations

import json
import sys
import threading
import time
from dataclasses import dataclass

from rich.console import Console

_STYLES = {"pass": "bold green", "check": "bold yellow", "stop": "bold red"}
_WORDS = {"pass": "放行 pass ", "check": "核验 check", "stop": "拦截 stop "}


@dataclass(frozen=True, slots=True)
class Displayed:
    """A decision as it is shown; `by` is `server` or `gate`."""

    scan_id: str
    decision: str
    colour: str
    refusal: str | None
    say_zh: str
    say_en: str
    by: str
    policy_version: str
    person: str = ""


@dataclass(frozen=True, slots=True)
class DisplayedForm:
    """What becomes of somebody who was registered in place; `clinic` is where a fever goes."""

    registration_id: str
    decision: str
    outcome: str
    say_zh: str
    say_en: str
    by: str
    policy_version: str
    clinic: str = ""


class Show:
    """`is_json`: JSON lines on standard output, remarks on standard error; else everything for people."""

    def __init__(self, *, is_json: bool) -> None:
        self._is_json = is_json
        self._console = Console(highlight=False, soft_wrap=True, stderr=is_json)
        self._showing = threading.Lock()

    def decision(self, shown: Displayed) -> None:
        told = {"scan_id": shown.scan_id, "decision": shown.decision, "colour": shown.colour, "refusal": shown.refusal}
        self._decided(shown, told, shown.refusal or shown.colour, shown.person)

    def registered(self, shown: DisplayedForm) -> None:
        told: dict[str, str | None] = {
            "registration_id": shown.registration_id,
            "decision": shown.decision,
            "outcome": shown.outcome,
        }
        if shown.clinic:
            told["fever_clinic"] = shown.clinic
        self._decided(shown, told, shown.outcome, f"{shown.clinic} {shown.registration_id}".strip())

    def _decided(self, shown: Displayed | DisplayedForm, told: dict[str, str | None], why: str, beside: str) -> None:
        if self._is_json:
            say = {"zh": shown.say_zh, "en": shown.say_en}
            return self._line({**told, "say": say, "by": shown.by, "policy_version": shown.policy_version})
        with self._showing:
            self._console.print(
                f"[{_STYLES[shown.decision]}]{_WORDS[shown.decision]}[/] {why:<18} {shown.say_zh} {shown.say_en}"
                f"{beside and f' [bold]{beside}[/]'}"
                f" [dim]{'server' if shown.by == 'server' else 'gate, offline'}[/]"
            )
        return None

    def question(self, words: str) -> None:
        """What a form needs next; on standard error where programs read the decisions."""
        self.remark(f"? {words}", style="bold")

    def refused_line(self, number: int, why: str) -> None:
        if self._is_json:
            self._line({"line": number, "error": why})
        else:
            self.remark(f"line {number} is not taken: {why}", style="red")

    def difference(self, identifier: str, taken: str, decided: str) -> None:
        self.remark(f"difference: {identifier} was taken as {taken}, the server decides {decided}", style="magenta")

    def remark(self, text: str, *, style: str = "dim") -> None:
        """What the gate does besides: bundles, uploads, the line up or down."""
        with self._showing:
            self._console.print(f"{time.strftime('%H:%M:%S')} {text}", style=style, markup=False)

    def _line(self, content: dict[str, object]) -> None:
        with self._showing:
            sys.stdout.write(json.dumps(content, ensure_ascii=False) + "\n")
            sys.stdout.flush()
