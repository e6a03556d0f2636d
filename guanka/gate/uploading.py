"""What the gate does beside its scans: fetch bundles, upload what waits, notice that the line is up or down."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from guanka.gate.knowledge import BundleRefused, Knowledge, read_bundle
from guanka.gate.link import Away, Link, Refused
from guanka.gate.showing import Show
from guanka.gate.waiting import Forms, GateMemory, Scans, Waiting

SCANS_MAX, FORMS_MAX, BATCH_BYTES_MAX = 500, 500, 800_000
REFRESH_S, LOOK_S = 30.0, 1.0
_CLOCKS_APART_MAX = timedelta(seconds=30)
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


class Errands:
    """The scan or form that the gate is busy with is nobody else's business: its shelf does not give it out."""

    def __init__(self, checkpoint: str, link: Link, memory: GateMemory, show: Show) -> None:
        self._routes = (
            _Route(memory.scans, link.batch, SCANS_MAX, "scan_id_reused", "scans", "it is put aside"),
            _Route(
                memory.forms,
                link.register_all,
                FORMS_MAX,
                "registration_id_reused",
                "registrations",
                "it is kept to be corrected",
            ),
        )
        self._checkpoint, self._link, self._memory, self._show = checkpoint, link, memory, show
        self._is_away = False
        self._refresh_at = datetime.min.replace(tzinfo=UTC)
        self._working = threading.Lock()
        self.knowledge: Knowledge | None = None

    def run(self, stop: threading.Event) -> None:
        while not stop.wait(LOOK_S):
            self.turn()

    def turn(self) -> None:
        """One round; a failure ends it, the next one tries again."""
        if not self._link.is_up():
            return
        try:
            with self._working:
                if datetime.now(UTC) >= self._refresh_at:
                    self.fetch_bundle()
                self.upload()
            self._note(is_away=False)
        except Away as error:
            self._note(is_away=True, why=str(error))
        except Refused as error:
            self._refresh_at = datetime.now(UTC) + timedelta(seconds=REFRESH_S)
            self._show.remark(f"the server refuses this gate: {error}", style="red")

    def note_away(self, why: str) -> None:
        """The gate itself has found the server away."""
        self._note(is_away=True, why=why)

    # -- bundles -----------------------------------------------------------------------------------------------------

    def load_bundle(self) -> None:
        """Know again what was known before the gate was switched off."""
        kept = self._memory.bundle()
        if kept is None:
            return self._show.remark("no bundle yet: without the network everything is checked by hand")
        bundle, lists = kept
        tokens = {number: token for number, (_, token) in lists.items()}
        try:
            self.knowledge = read_bundle(bundle, tokens, datetime.now(UTC))
        except BundleRefused as error:
            return self._show.remark(f"the bundle that was kept cannot be used: {error}", style="red")
        return self._tell_bundle("kept")

    def fetch_bundle(self) -> None:
        """Raises `Away`, `Refused`; a bundle that is not good leaves the one before."""
        kept = self._memory.bundle()
        known = {} if kept is None else kept[1]
        bundle = self._link.bundle(self._checkpoint, [etag for etag, _ in known.values()])
        lists = {each["list"]: _signed_list(each, known) for each in bundle["status_lists"]}
        now = datetime.now(UTC)
        self._refresh_at = now + timedelta(seconds=REFRESH_S)
        try:
            knowledge = read_bundle(bundle, {number: token for number, (_, token) in lists.items()}, now)
        except BundleRefused as error:
            return self._show.remark(f"the server's bundle is refused: {error}", style="red")
        slim = bundle | {"status_lists": [each | {"token": None} for each in bundle["status_lists"]]}
        self._memory.keep_bundle(slim, lists)
        is_first, self.knowledge = self.knowledge is None, knowledge
        if abs(now - knowledge.issued_at) > _CLOCKS_APART_MAX:
            self._show.remark("this gate's clock is not the server's: late uploads may be refused", style="red")
        return self._tell_bundle("fetched") if is_first else None

    def _tell_bundle(self, how: str) -> None:
        assert self.knowledge is not None
        known = self.knowledge
        policy = known.policy_at(datetime.now(UTC)).policy
        self._show.remark(
            f"bundle {how}: {policy.version}, {len(known.lists)} lists as of {known.as_of.astimezone():%H:%M:%S}, "
            f"colours stale after {policy.offline.stale_after}, over at {known.expires_at.astimezone():%F %H:%M}"
        )

    # -- uploads -----------------------------------------------------------------------------------------------------

    def upload(self) -> None:
        """Send what waits, oldest first, until nothing does. Raises `Away`, `Refused`."""
        for route in self._routes:
            self._upload(route)

    def _upload(self, route: _Route) -> None:
        while waiting := _fitting(route.shelf.waiting(route.items_max)):
            results = route.send([each.for_upload() for each in waiting])
            done = self._take_results(route, waiting, results)
            route.shelf.settle(done)
            if done:
                self._show.remark(f"uploaded {len(done)} {route.things} that had waited")
            if len(done) < len(waiting) and route.shelf.waiting(1):
                return

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


def _fitting(waiting: Sequence[Waiting]) -> Sequence[Waiting]:
    """As many as one request may carry, and one at least."""
    size = 0
    for number, each in enumerate(waiting):
        size += len(json.dumps(each.for_upload()))
        if size > BATCH_BYTES_MAX:
            return waiting[: max(1, number)]
    return waiting


def _signed_list(each: dict[str, Any], known: dict[int, tuple[str, str]]) -> tuple[str, str]:
    """(etag, token) of a list of the bundle, from the bundle or from before. Raises `Away` when neither has it."""
    if each["token"] is not None:
        return each["etag"], each["token"]
    etag, token = known.get(each["list"], ("", ""))
    if etag != each["etag"]:
        raise Away("a list is missing in the bundle")
    return etag, token
