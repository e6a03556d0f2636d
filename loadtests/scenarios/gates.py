"""Gates: guards' scanners, card readers, and station concentrators that send what their gates have just scanned.

Of all scans 80 % come singly by pass, 10 % by a card reader, 10 % in batches of 20; 1 % of the single ones are sent
again under the same id. Where the next one comes is drawn by the weights of the 614 screening points.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from itertools import accumulate, count

from locust import User, task
from locust.exception import StopUser

from guanka.home import REFERENCE
from loadtests.journal import Journal, Kind
from loadtests.line import Line, head_of
from loadtests.plan import Plan, part_of_this_process
from loadtests.scenarios.scans import Crowd, batch_of
from loadtests.scenarios.turns import Content, Start, Turn, Turns
from loadtests.shapes import moments, read_points, stations_of

CARD_SHARE, BATCH_SHARE, SHARE_REPEATED = 0.1, 0.1, 0.01
BATCH_SCANS, BATCH_SPAN_S = 20, 1.0


class Gate(User):
    """A line; what it sends next is whatever is due next anywhere in the city. Every third is a card reader's.

    Cards have lines of their own, as they have at a gate: if cards were slow, nobody with a pass would wait for one.
    """

    abstract = True
    plan: Plan
    passes: Turns
    cards: Turns
    ended: Callable[[], None]
    numbers = count()

    @classmethod
    def prepare(cls, plan: Plan, journal: Journal) -> None:
        city, start, again = City(plan), Start(), plan.shape.retries
        repeated = SHARE_REPEATED if again else 0.0
        cls.plan = plan
        cls.cards = Turns(city.cards(), journal, is_open=True, comes_again=again, start=start)
        cls.passes = Turns(
            city.passes(), journal, is_open=True, comes_again=again, share_repeated=repeated, start=start
        )

    @task
    def stand(self) -> None:
        line = Line(*self.plan.checkpoints)
        own = self.cards if next(self.numbers) % 3 == 1 else self.passes
        own.serve(line)
        line.close()
        if self.cards.is_over() and self.passes.is_over():
            type(self).ended()
        raise StopUser


class City:
    """Who sends what at which moment."""

    def __init__(self, plan: Plan) -> None:
        self._plan, self._crowd = plan, Crowd(plan)
        self._points = read_points(REFERENCE)
        self._bounds = list(accumulate(point.weight for point in self._points))
        self._of_station = {
            name: [point.checkpoint_id.encode() for point in points]
            for name, points in stations_of(self._points).items()
        }
        self._heads = {gate: head_of("/v1/scans", *plan.checkpoints, token) for gate, token in plan.gates.items()}
        self._batch_heads = {
            station: head_of("/v1/scans/batch", *plan.checkpoints, token) for station, token in plan.stations.items()
        }
        self._chance = random.Random(f"{plan.seed}/{part_of_this_process()}")  # noqa: S311 (a load, no secret)

    def cards(self) -> Iterator[Turn]:
        for moment, is_measured in self._moments(CARD_SHARE):
            yield self._single(moment, is_measured, has_card=True)

    def passes(self) -> Iterator[Turn]:
        """Single ones, and concentrators' batches."""
        collected, moment, is_measured = 0, 0.0, True
        for moment, is_measured in self._moments(1 - CARD_SHARE):
            if self._chance.random() >= BATCH_SHARE / (1 - CARD_SHARE):
                yield self._single(moment, is_measured, has_card=False)
            elif (collected := collected + 1) == BATCH_SCANS:
                collected = 0
                yield self._batch(moment, is_measured, BATCH_SCANS)
        if collected:
            yield self._batch(moment, is_measured, collected)

    def _moments(self, share: float) -> Iterator[tuple[float, bool]]:
        part, parts = part_of_this_process()
        return moments(self._plan.shape.segments, part=part, parts=parts, seed=self._plan.seed, share=share)

    def _single(self, moment: float, is_measured: bool, *, has_card: bool) -> Turn:
        gate = self._somewhere()
        checkpoint_id = gate.encode()

        def write() -> Content:
            scan_id, body, mark = self._crowd.scan(checkpoint_id, time.time(), has_card=has_card)
            return scan_id, body, [mark]

        kind = Kind.CARD if has_card else Kind.SINGLE
        return Turn(moment, kind, self._heads[gate], is_measured=is_measured, write=write)

    def _batch(self, moment: float, is_measured: bool, scans: int) -> Turn:
        station = self._points[self._draw()].station
        gates = self._of_station[station]

        def write() -> Content:
            now_s = time.time()
            made = [
                self._crowd.scan(gates[n % len(gates)], now_s - BATCH_SPAN_S * (1 - n / scans)) for n in range(scans)
            ]
            return (
                b"".join(scan_id for scan_id, _, _ in made),
                batch_of([body for _, body, _ in made]),
                [mark for _, _, mark in made],
            )

        return Turn(moment, Kind.BATCH, self._batch_heads[station], is_measured=is_measured, write=write)

    def _somewhere(self) -> str:
        return self._points[self._draw()].checkpoint_id

    def _draw(self) -> int:
        return self._chance.choices(range(len(self._points)), cum_weights=self._bounds)[0]
