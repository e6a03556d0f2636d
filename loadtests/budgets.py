"""The figures that are promised; a run that misses one exits with a status other than zero."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

CONTACTS = 200
REPEATS = 20
CASE_TO_LAST_STOP_S_MAX = {"local": 2.0, "kafka": 3.0}
"""From the report of a case until the last of 200 contacts has been refused at a gate, the worst of 20 repeats."""
READY_S_MAX = 20.0
"""From `guanka up` until all is ready, where everything is downloaded."""
MEMORY_MB_MAX = {"local": 1200.0}
"""The whole stack at rest: proportional set size of all its processes."""
SCAN_TO_FLOOR_MIN, BATCH_TO_VERIFY_MIN, MINT_TO_FLOOR_MIN = 0.6, 0.45, 0.7
"""Requests a second over those of the floor (scans: over raw ES256 verifications), one core each, in one run."""


@dataclass(frozen=True, slots=True)
class Budget:
    """What a figure of a shape's report may be at most, or must be at least."""

    figure: str
    at_most: float | None = None
    at_least: float | None = None

    def is_kept(self, figures: Mapping[str, float]) -> bool:
        """A figure that is not there keeps nothing: of what was never accepted there are no latencies."""
        value = figures.get(self.figure)
        if value is None:
            return False
        return (self.at_most is None or value <= self.at_most) and (self.at_least is None or value >= self.at_least)


_NO_ERRORS = Budget("errors", at_most=0)
_STORM_P99_MS_MAX = 250.0
SHAPE_BUDGETS: Mapping[str, tuple[Budget, ...]] = {
    "peak": (
        Budget("p50_ms", at_most=6.0),
        Budget("p99_ms", at_most=30.0),
        Budget("refused", at_most=0),
        Budget("given_up", at_most=0),
        _NO_ERRORS,
    ),
    "storm": (
        Budget("p99_ms", at_most=_STORM_P99_MS_MAX),
        Budget("card_p99_ms", at_most=_STORM_P99_MS_MAX),
        Budget("batch_p99_ms", at_most=_STORM_P99_MS_MAX),
        Budget("accepted_per_s", at_least=343.0),
        _NO_ERRORS,
    ),
    "overload": (Budget("goodput", at_least=0.9), Budget("goodput", at_most=1.1), _NO_ERRORS),
    "day": (Budget("scans_per_s", at_least=7_000_000 / (45 * 60)), _NO_ERRORS),
    "showings": (_NO_ERRORS,),
    "ladder": (),
}
"""`errors` are answers that are neither an acceptance nor a polite refusal (503 with Retry-After), and no answers.

Percentiles are of what was due while the shape lasted. Whoever a storm lets in is answered in time, whether by pass or
card (`p99_ms`, both together), by card alone, or by a batch. A storm that refuses nearly everybody keeps no gate open:
at least an ordinary peak is accepted; how many gave up has no budget there, and stands above the percentiles.
`scans_per_s` of a day runs until the last event is in the log; goodput above 1.1 says that the limit did not hold.
"""


def kept(shape: str, figures: Mapping[str, float]) -> dict[str, bool]:
    """Per figure that has a budget, whether the run kept it."""
    checks: dict[str, bool] = {}
    for budget in SHAPE_BUDGETS[shape]:
        name = f"{budget.figure}_within_budget"
        checks[name] = checks.get(name, True) and budget.is_kept(figures)
    return checks


TRACE_S_MAX = {1_000_000: 0.3, 20_000_000: 0.5}
"""The worst trace of one case, by scans stored."""
BOARD_MEMORY_MB_MAX, BOARD_READY_S_MAX = 200.0, 10.0
"""An api process of checkpoints with 20 million people: resident memory, and its start after a SIGKILL."""
RELAY_ROWS_PER_S_MIN = 8_000
"""Rows from the outbox to Kafka by one process."""
GROWTH_RATIO_MAX = 1.25
"""What a scan (append and look) or a trace costs with four times the people and history, over what it costs with one.

A B-tree of four times the entries is at most one level higher: one page more on a way of four. Measured last were 1.05
(a scan) and 0.91 (a trace); the rest is what two medians of one run differ by. Work that looks through the people or
the past, instead of looking up, costs four times as much here: a twelfth of such work takes all of the margin.
"""
REGISTERED_S_MAX = 30.0
"""A guard registers somebody in place: typing, and the machine's worst in a hundred."""

BEYOND_BUDGETS: tuple[Budget, ...] = (
    Budget("storm_taken_share", at_least=1.0),
    Budget("storm_p99_ms", at_most=100.0),
    Budget("twice_seconds_of_80_percent", at_least=0.95),
    Budget("twice_worst_5_s_share", at_least=0.8),
    Budget("twice_p99_ms", at_most=400.0),
    Budget("twice_first_second_p99_ms", at_most=400.0),
    Budget("competitor_refused_later", at_most=0),
    Budget("competitors_worst_second_per_s", at_least=500.0),
    Budget("connections_p99_ratio", at_most=1.2),
    Budget("batches_p99_ratio", at_most=1.2),
)
"""What a foreign generator on the same two cores must see (loadtests/bench_storm.py), 60 s each."""
