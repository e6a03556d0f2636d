"""From the results of a run to its figures, and to a series that can be drawn."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate
from pathlib import Path

from guanka.report import percentile
from loadtests.journal import Kind, Result, Written
from loadtests.shapes import OVERLOAD_LIMIT_PER_S, Shape

_AT_A_GATE = frozenset([Kind.SINGLE, Kind.CARD])


def figures_of(shape: Shape, written: Written) -> dict[str, float]:
    """Who got no answer stands first; the percentiles behind it are only of those who got one.

    Latencies of accepted requests run from the moment each was meant to go, however late the generator was. For
    somebody who was refused and came again that is the moment of coming again; `waited_` runs from the first time.
    """
    measured = [result for result in written.results if result.is_measured]
    refused = [result for result in measured if result.is_refused]
    offered, given_up = written.figures["offered"], written.figures["given_up"]
    figures: dict[str, float] = {
        "offered": offered,
        "given_up": given_up,
        "given_up_share": given_up / offered if offered else 0.0,
        "requests": len(written.results),
        "requests_refused": len(refused),
        "refused": sum(result.scans for result in refused),
        "errors": sum(result.is_error for result in written.results),
        "wrong_answers": written.figures["wrong_answers"],
    }
    figures |= _percentiles(_due_in_time(shape, measured))
    figures |= _latencies("waited_", [r.waited_ms for r in _accepted(measured) if r.kind in _AT_A_GATE])
    figures |= _rates(shape, measured)
    return figures


def _due_in_time(shape: Shape, measured: Sequence[Result]) -> Sequence[Result]:
    """Without those who came again when a storm was over: served at leisure, they would thin out its latencies."""
    return [result for result in measured if result.due_s < shape.duration_s] if shape.is_open else measured


def _percentiles(in_time: Sequence[Result]) -> dict[str, float]:
    accepted = _accepted(in_time)
    return {
        **_latencies("", [r.latency_ms for r in accepted if r.kind in _AT_A_GATE]),
        **_latencies("card_", [r.latency_ms for r in accepted if r.kind == Kind.CARD]),
        **_latencies("batch_", [r.latency_ms for r in accepted if r.kind == Kind.BATCH]),
        **_latencies("refusal_", [r.latency_ms for r in in_time if r.is_refused]),
        "sent_late_p99_ms": percentile([r.late_ms for r in in_time], 0.99),
    }


def _accepted(results: Iterable[Result]) -> list[Result]:
    return [result for result in results if result.is_accepted]


def _latencies(prefix: str, values: list[float]) -> dict[str, float]:
    if not values:
        return {}
    shares = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p999": 0.999, "max": 1.0}
    return {f"{prefix}{name}_ms": percentile(values, share) for name, share in shares.items()}


def _rates(shape: Shape, measured: Sequence[Result]) -> dict[str, float]:
    """What was offered and what was accepted a second, over what is measured; answers after its end do not count."""
    if shape.name == "ladder":
        return _steps(shape, measured)
    first_times = [r for r in measured if r.kind != Kind.REPEAT]
    if shape.is_open:
        seconds = sum(segment.seconds for segment in shape.segments if segment.is_measured)
        offered = sum(r.scans for r in first_times if r.waited_ms == r.latency_ms)
        end_s = shape.duration_s
    else:
        end_s = seconds = max((r.due_s + r.latency_ms / 1000 for r in measured), default=0.0)
        offered = sum(r.scans for r in first_times)
    accepted = sum(r.taken for r in first_times if r.due_s + r.latency_ms / 1000 <= end_s)
    rates = {"seconds": seconds, "offered_per_s": offered / seconds, "accepted_per_s": accepted / seconds}
    if shape.name == "overload":
        rates["goodput"] = rates["accepted_per_s"] / OVERLOAD_LIMIT_PER_S
    if shape.name == "showings":
        shown = [r.latency_ms for r in _accepted(measured) if r.kind == Kind.SHOWING]
        rates["showings_per_s"] = len(shown) / seconds
        rates |= _latencies("showing_", shown)
    return rates


def _steps(shape: Shape, measured: Sequence[Result]) -> dict[str, float]:
    steps: dict[str, float] = {}
    for rate, results in results_by_step(shape, measured):
        latencies = [r.latency_ms for r in _accepted(results) if r.kind in _AT_A_GATE]
        for name, share in (("p50", 0.5), ("p99", 0.99)):
            steps[f"{name}_ms_at_{rate:.0f}_per_s"] = percentile(latencies, share)
        steps[f"refused_at_{rate:.0f}_per_s"] = sum(r.scans for r in results if r.is_refused)
    return steps


def results_by_step(shape: Shape, measured: Sequence[Result]) -> list[tuple[float, list[Result]]]:
    """Per measured segment its rate and the requests that were meant to go in it."""
    ends = list(accumulate(segment.seconds for segment in shape.segments))
    found = []
    for segment, end in zip(shape.segments, ends, strict=True):
        if segment.is_measured:
            start = end - segment.seconds
            found.append((segment.scans_per_s, [r for r in measured if start <= r.due_s < end]))
    return found


# -- series --------------------------------------------------------------------------------------------------------


SERIES_COLUMNS = ("second", "offered", "accepted", "refused", "errors", "p50_ms", "p99_ms")


def write_series(path: Path, results: Iterable[Result]) -> None:
    """A line per second: scans meant to go then, those accepted and refused of them, and the accepted ones' latency."""
    seconds: dict[int, list[Result]] = {}
    for result in results:
        seconds.setdefault(int(max(0.0, result.due_s)), []).append(result)
    with path.open("w", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(SERIES_COLUMNS)
        for second in range(max(seconds, default=-1) + 1):
            lines.writerow([second, *_second(seconds.get(second, []))])


def _second(results: Sequence[Result]) -> list[float]:
    accepted = _accepted(results)
    latencies = [r.latency_ms for r in accepted if r.kind in _AT_A_GATE] or [r.latency_ms for r in accepted]
    return [
        sum(r.scans for r in results if r.kind != Kind.REPEAT),
        sum(r.taken for r in accepted if r.kind != Kind.REPEAT),
        sum(r.scans for r in results if r.is_refused),
        sum(r.is_error for r in results),
        round(percentile(latencies, 0.5), 2),
        round(percentile(latencies, 0.99), 2),
    ]


def use_figures(
    used: Mapping[str, float], everything_s: float, written: Written, drained_after_s: float
) -> dict[str, float]:
    """CPU: cores taken by each part until the last event was told, the generator's share, and CPU time for a scan.

    `cores_others` is what programs took that are no part of the load (and Locust's own start and end).
    """
    seconds = max((r.due_s + r.latency_ms / 1000 for r in written.results), default=0.0) + drained_after_s
    generator_s, scans = written.figures["generator_cpu_s"], max(1, len(written.acknowledged))
    ours = generator_s + sum(used.values())
    cores = {f"cores_{name}": value / seconds for name, value in used.items()}
    service_s = used["checkpoints_api"] + used["checkpoints_worker"]
    return {
        "cores_generator": generator_s / seconds,
        **cores,
        "cores_others": max(0.0, everything_s - ours) / seconds,
        "generator_share_of_cpu": generator_s / ours if ours else 0.0,
        "cpu_us_per_scan_generator": generator_s / scans * 1e6,
        "cpu_us_per_scan_checkpoints": service_s / scans * 1e6,
        "cpu_us_per_scan_postgres": used["postgres"] / scans * 1e6,
    }
