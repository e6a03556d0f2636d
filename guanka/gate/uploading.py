"""What the gate does beside its scans: see to its bundle, upload what waits, notice that the line is up or down."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from chassis.ids import uuid7
from guanka.gate.bundles import Bundles
from guanka.gate.clock import GateClock
from guanka.gate.deciding import BLIND
from guanka.gate.link import Away, Link, Refused
from guanka.gate.showing import Show
from guanka.gate.waiting import Forms, GateMemory, Scans, Waiting
from services.checkpoints.domain.clocks import is_off
from services.checkpoints.domain.scans import Decision

SCANS_MAX, FORMS_MAX, BATCH_BYTES_MAX = 500, 500, 800_000
LOOK_S = 1.0
_AHEAD_MAX = timedelta(minutes=4)
"""The server takes five."""
_PASSING = frozenset({"store_unavailable", "overloaded", "unexpected_error"})
"""Problems of an item that may be gone the next time."""
NOT_ITS_OWN_FAULT = frozenset({401, 403, 404, 413})
"""Statuses that are about the gate's own token or set-up: what it has waits until that is mended."""


@dataclass(frozen=True, slots=True)
class _Route:
    """How the things of a shelf are uploaded; `aside` says what becomes of those that the server will not take."""

    shelf: Scans | Forms
    send: Callable[[Sequence[dict[str, Any]]], list[dict[str, Any]]]
    items_max: int
    recorded_otherwise: str
    things: str
    aside: str
    identifier: str
    at: str
    undecided: dict[str, Any] | None


class Errands:
    """The scan or form that the gate is busy with is nobody else's business: its shelf does not give it out."""

    def __init__(self, checkpoint: str, link: Link, memory: GateMemory, show: Show, clock: GateClock) -> None:
        self._routes = (
            _Route(
                memory.scans,
                link.batch,
                SCANS_MAX,
                "scan_id_reused",
                "scans",
                "it is put aside",
                "scan_id",
                "scanned_at",
                asdict(BLIND.for_upload()),
            ),
            _Route(
                memory.forms,
                link.register_all,
                FORMS_MAX,
                "registration_id_reused",
                "registrations",
                "it is kept to be corrected",
                "registration_id",
                "registered_at",
                None,
            ),
        )
        self.bundles = Bundles(checkpoint, link, memory, show, clock)
        self._link, self._show, self._clock = link, show, clock
        self._is_away = False
        self._working = threading.Lock()

    def run(self, stop: threading.Event) -> None:
        while not stop.wait(LOOK_S):
            self.turn()

    def turn(self) -> None:
        """One round; a failure ends it, the next one tries again."""
        if not self._link.is_up():
            return
        try:
            with self._working:
                if self.bundles.is_due(self._clock.now()):
                    self.bundles.fetch()
                self.upload()
            self._note(is_away=False)
        except Away as error:
            self._note(is_away=True, why=str(error))
        except Refused as error:
            self.bundles.put_off(self._clock.now())
            self._show.remark(f"the server refuses this gate: {error}", style="red")

    def note_away(self, why: str) -> None:
        """The gate itself has found the server away."""
        self._note(is_away=True, why=why)

    def upload(self) -> None:
        """Send what waits, oldest first, until nothing does. Raises `Away`, `Refused`."""
        for route in self._routes:
            self._upload(route)

    def _upload(self, route: _Route) -> None:
        while waiting := _fitting(route.shelf.waiting(route.items_max)):
            now = self._clock.now()
            waiting = [self._uploadable(route, each, now) for each in waiting]
            results = route.send([each.for_upload() for each in waiting])
            done = self._take_results(route, waiting, results)
            route.shelf.settle(done)
            if done:
                self._show.remark(f"uploaded {len(done)} {route.things} that had waited")
            if let_in := sum(stopped_now(*each) for each in zip(waiting, results, strict=True)):
                self._show.remark(f"{let_in} who were let in without the network would be stopped now", style="red")
            if len(done) < len(waiting) and route.shelf.waiting(1):
                return

    def _uploadable(self, route: _Route, each: Waiting, now: datetime) -> Waiting:
        """What was dated by a clock that was fast gets the time of now: the server would never take it.

        A scan of before about which nothing was decided, for the gate died, was nobody let in.
        """
        at = datetime.fromisoformat(each.body[route.at])
        if each.offline is not None and at > now + _AHEAD_MAX:
            dated = redated(each.body, route.at, now)
            route.shelf.redate(each.identifier, dated)
            self._show.remark(f"{each.identifier} was dated ahead by a fast clock: it is of now", style="yellow")
            return replace(each, identifier=dated[route.identifier], body=dated)
        if each.offline is None and route.undecided is not None and is_off(at, now):
            return replace(each, offline=route.undecided)
        return each

    def _take_results(self, route: _Route, waiting: Sequence[Waiting], results: Sequence[dict[str, Any]]) -> list[str]:
        """Those that are settled: recorded now, or before; or as something else, for then the id is taken."""
        done, ours = [], set()
        for each, result in zip(waiting, results, strict=True):
            problem = result.get("problem", {})
            code = problem.get("code")
            if code is None:
                done.append(each.identifier)
                self._compare(each, result)
            elif code == route.recorded_otherwise:
                done.append(each.identifier)
            elif problem.get("status") in NOT_ITS_OWN_FAULT:
                ours.add(code)
            elif code not in _PASSING:
                route.shelf.put_aside(each, code)
                self._show.remark(f"the server will not take {each.identifier}: {code}; {route.aside}", style="red")
        for code in sorted(ours):
            self._show.remark(f"the server refuses this gate: {code}; its {route.things} wait", style="red")
        return done

    def _compare(self, each: Waiting, result: dict[str, Any]) -> None:
        if each.offline is not None and result.get("decision", each.offline["decision"]) != each.offline["decision"]:
            self._show.difference(each.identifier, each.offline["decision"], result["decision"])

    def _note(self, *, is_away: bool, why: str = "") -> None:
        if is_away != self._is_away:
            self._is_away = is_away
            said = f"the server is away ({why}): the gate decides by itself" if is_away else "the server is back"
            self._show.remark(said, style="yellow" if is_away else "green")


def redated(body: dict[str, Any], at: str, now: datetime) -> dict[str, Any]:
    """The same with another time, and ids of that time."""

    def anew(thing: dict[str, Any]) -> dict[str, Any]:
        ids = {name: str(uuid7(now)) for name in ("scan_id", "registration_id") if name in thing}
        people = {"people": [anew(person) for person in thing["people"]]} if "people" in thing else {}
        return thing | ids | people

    return anew(body) | {at: now.isoformat()}


def stopped_now(each: Waiting, result: dict[str, Any]) -> int:
    """How many people this gate had let in by itself whom the server would stop; of a vehicle, those in it.

    A driver is none of the `people`. Where one of them is stopped, the answer does not say whether the driver is too.
    """
    if each.offline is None or each.offline["decision"] != Decision.PASS:
        return 0
    people = sum(one.get("decision") == Decision.STOP for one in result.get("people") or ())
    return people or int(result.get("decision") == Decision.STOP)


def _fitting(waiting: Sequence[Waiting]) -> Sequence[Waiting]:
    """As many as one request may carry, and one at least."""
    size = 0
    for number, each in enumerate(waiting):
        size += len(json.dumps(each.for_upload()))
        if size > BATCH_BYTES_MAX:
            return waiting[: max(1, number)]
    return waiting
