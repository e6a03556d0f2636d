"""Station concentrators that upload a whole day: yesterday, at its own times, as fast as it goes.

As after a day without a line: every station has its own concentrator, which sends 500 scans at once.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

from locust import User, task
from locust.exception import StopUser

from guanka.home import REFERENCE
from loadtests.journal import Journal, Kind
from loadtests.line import Line, head_of
from loadtests.plan import Plan, part_of_this_process
from loadtests.scenarios.scans import Crowd, batch_of
from loadtests.scenarios.turns import Content, Turn, Turns
from loadtests.shapes import Batch, day_batches, read_points, read_profile, stations_of


class Concentrator(User):
    """One upload at a time; the next begins when this one is answered."""

    abstract = True
    plan: Plan
    turns: Turns
    ended: Callable[[], None]

    @classmethod
    def prepare(cls, plan: Plan, journal: Journal) -> None:
        cls.plan, cls.turns = plan, Turns(Day(plan).turns(), journal, is_open=False)

    @task
    def upload(self) -> None:
        line = Line(*self.plan.checkpoints)
        self.turns.serve(line)
        line.close()
        type(self).ended()
        raise StopUser


class Day:
    """Yesterday, batch by batch."""

    def __init__(self, plan: Plan) -> None:
        self._plan, self._crowd = plan, Crowd(plan)
        self._stations = stations_of(read_points(REFERENCE))
        self._gates = {
            name: [point.checkpoint_id.encode() for point in points] for name, points in self._stations.items()
        }
        self._heads = {
            name: head_of("/v1/scans/batch", *plan.checkpoints, token) for name, token in plan.stations.items()
        }
        self._chance = random.Random(plan.seed)  # noqa: S311 (a load, no secret)

    def turns(self) -> Iterator[Turn]:
        part, parts = part_of_this_process()
        shape = self._plan.shape
        profile = read_profile(REFERENCE, shape.profile)
        for batch in day_batches(shape.scans, profile, self._stations, part=part, parts=parts, seed=self._plan.seed):
            yield self._turn(batch)

    def _turn(self, batch: Batch) -> Turn:
        gates = self._gates[batch.station]

        def write() -> Content:
            ids, bodies, marks = [], [], []
            for moment in batch.moments:
                scan_id, body, mark = self._crowd.scan(self._chance.choice(gates), self._plan.midnight_s + moment)
                ids.append(scan_id)
                bodies.append(body)
                marks.append(mark)
            return b"".join(ids), batch_of(bodies), marks

        return Turn(0.0, Kind.BATCH, self._heads[batch.station], is_measured=True, write=write)
