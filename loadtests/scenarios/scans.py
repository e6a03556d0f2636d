"""The bodies of scans, written by hand as bytes: what a gate's JSON library would write, at a fraction of the cost."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from uuid import UUID

from chassis.ids import uuid7
from guanka.keys import SHIPPED_POLICY
from loadtests.passes import Mint
from loadtests.plan import Plan, part_of_this_process
from loadtests.population import COLOURS, Population, document_number

_SCAN = (
    b'{"scan_id":"%b","checkpoint_id":"%b","credential":{%b},"direction":"in","temperature_c":36.5,"scanned_at":"%b"}'
)
_AGO_S = 60.0
_OFFLINE = b',"offline":{"decision":"%b","refusal":null,"policy_version":"default@1","list_revision":1}}'
_PASS, _CARD = b'"pass":"%b"', b'"document":{"type":"resident_id","country":"CN","number":"%b"}'


def marks() -> dict[str, bytes]:
    """By colour, what the answer of a metro checkpoint must contain, as the api writes it.

    The decision is that of the policy with which the load stack starts (`guanka.keys` signs the shipped one). A board
    that is stale or a pass that was used elsewhere leaves the colour as it is, and changes the decision or the refusal.
    """
    return {
        colour: f'"decision":"{decision}","colour":"{colour}","refusal":null'.encode()
        for colour, decision in _decisions().items()
    }


def _decisions() -> dict[str, str]:
    decisions = json.loads(SHIPPED_POLICY.read_text())["kinds"]["metro"]["decisions"]
    return {colour: decisions[colour] for colour in COLOURS}


class Crowd:
    """Who comes next: everybody in turn, so that nobody is at two gates sooner than people can be.

    Each process has its own part of the people.
    """

    def __init__(self, plan: Plan) -> None:
        population = Population.read(plan.people)
        self._lists, self._idx, self._colours = population.lists, population.idx, population.colours
        self._next, self._step = part_of_this_process()
        self._mint = Mint(plan.signing_keys, plan.status_list_uri)
        told = marks()
        self._marks = [told[colour] for colour in COLOURS]
        self._decisions = [decision.encode() for decision in _decisions().values()]

    def scan(self, checkpoint_id: bytes, at_s: float, *, has_card: bool = False) -> tuple[bytes, bytes, bytes]:
        """(scan_id, body, what the answer must contain) of the next person's scan at a moment (Unix seconds).

        One of before is uploaded late, with what its gate had decided without a network: as the policy says.
        """
        person = self._next
        self._next = (person + self._step) % len(self._idx)
        at = datetime.fromtimestamp(at_s, UTC)
        scan_id = uuid7(at)
        if has_card:
            credential = _CARD % document_number(person).encode()
        else:
            credential = _PASS % self._mint.shown(self._lists[person], self._idx[person], at_s)
        body = _SCAN % (str(scan_id).encode(), checkpoint_id, credential, at.isoformat().encode())
        if at_s < time.time() - _AGO_S:
            body = body[:-1] + _OFFLINE % self._decisions[self._colours[person]]
        return scan_id.bytes, body, self._marks[self._colours[person]]


def by_pass(scan_id: UUID, checkpoint_id: bytes, token: bytes, at: datetime) -> bytes:
    return _SCAN % (str(scan_id).encode(), checkpoint_id, _PASS % token, at.isoformat().encode())


def batch_of(bodies: list[bytes]) -> bytes:
    return b'{"scans":[%b]}' % b",".join(bodies)
