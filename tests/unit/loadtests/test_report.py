"""From journals to figures, budgets and an exit status."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from loadtests import run
from loadtests.budgets import SHAPE_BUDGETS, kept
from loadtests.figures import figures_of, results_by_step, write_series
from loadtests.journal import Journal, Kind, Result, Written, read_journals
from loadtests.outcome import checks_of, who_got_no_answer
from loadtests.reckoning import Reckoning
from loadtests.shapes import Asked, Shape, shape_names, shape_of


def result(due_s: float, waited_ms: float, status: int = 200, **changed: Any) -> Result:
    """A 503 says when to come again, unless it is said that it does not."""
    given = Result(
        due_s, waited_ms, waited_ms, 0.1, status, 1, Kind.SINGLE, is_measured=1, length=90, is_refused=status == 503
    )
    return given._replace(**changed)


def written(*results: Result) -> Written:
    figures = {"offered": float(len(results)), "wrong_answers": 0.0, "given_up": 0.0, "acknowledged_at": 0.0}
    return Written(set(), set(), list(results), figures)


def test_percentiles_are_of_what_was_accepted_at_gates_and_is_measured() -> None:
    peak = shape_of("peak", Asked(seconds=10))
    figures = figures_of(
        peak,
        written(
            result(1, 900, is_measured=0),
            *[result(12, 4.0) for _ in range(98)],
            result(12, 1500, latency_ms=5.0),
            result(12, 30, kind=Kind.CARD),
            result(12, 700, kind=Kind.BATCH, scans=20),
            result(12, 1, 503),
            result(12, 1, 500),
        ),
    )
    assert (figures["p50_ms"], figures["p99_ms"], figures["max_ms"]) == (4.0, 5.0, 30)
    assert figures["waited_max_ms"] == 1500, "who was refused and came again has waited since the first time"
    assert (figures["batch_p99_ms"], figures["refused"], figures["errors"]) == (700, 1, 1)
    assert figures["accepted_per_s"] == 12.0


def test_who_is_served_at_leisure_when_a_storm_is_over_does_not_thin_out_its_percentiles() -> None:
    storm = shape_of("storm", Asked(seconds=10))
    in_it = [result(19.9, 400, kind=kind) for kind in (Kind.SINGLE, Kind.CARD, Kind.BATCH)]
    after = [result(20 + n / 100, 9_000, latency_ms=3.0, kind=n % 3) for n in range(900)]
    figures = figures_of(storm, written(*in_it, *after))
    assert [figures[f"{kind}p99_ms"] for kind in ("", "card_", "batch_")] == [400, 400, 400]
    assert figures["waited_p50_ms"] == 9_000, "all of them came while it lasted"


def test_latencies_of_refusals_and_the_generators_delay_are_of_the_shapes_time_too() -> None:
    storm = shape_of("storm", Asked(seconds=10))
    in_it, after = [result(15, 80, 503, late_ms=7.0)], [result(25, 1, 503, late_ms=0.1) for _ in range(300)]
    figures = figures_of(storm, written(*in_it, *after))
    assert (figures["refusal_p99_ms"], figures["sent_late_p99_ms"]) == (80, 7.0)
    assert figures["requests_refused"] == 301


def test_a_503_that_does_not_say_when_to_come_again_is_an_error() -> None:
    peak = shape_of("peak", Asked(seconds=10))
    figures = figures_of(peak, written(result(12, 4), result(12, 1, 503), result(12, 1, 503, is_refused=0)))
    assert (figures["errors"], figures["refused"]) == (1, 1)
    ladder = shape_of("ladder", Asked(seconds=10))
    assert figures_of(ladder, written(result(12, 1, 503, is_refused=0)))["refused_at_343_per_s"] == 0


def test_who_got_no_answer_is_said_before_the_percentiles() -> None:
    storm = shape_of("storm", Asked(seconds=10))
    lines = written(*[result(15, 5) for _ in range(4)])
    lines.figures["given_up"] = 1.0
    figures = figures_of(storm, lines)
    assert list(figures)[:3] == ["offered", "given_up", "given_up_share"]
    assert who_got_no_answer(storm, figures) == "1 of 4 people (25.0%) never got an online answer within 30 s"
    assert who_got_no_answer(shape_of("overload", Asked()), figures).endswith("asked once, and got none")


def test_the_goodput_of_an_overload_is_what_was_accepted_of_the_limit() -> None:
    overload = shape_of("overload", Asked(seconds=1))
    accepted, refused = [result(1.5, 5) for _ in range(760)], [result(1.5, 1, 503) for _ in range(1640)]
    figures = figures_of(overload, written(*accepted, *refused))
    assert figures["goodput"] == 0.95
    assert figures["offered_per_s"] == 2400
    assert all(kept("overload", figures).values())


def test_what_is_accepted_after_a_storm_is_no_part_of_its_rate() -> None:
    storm = shape_of("storm", Asked(seconds=10))
    in_time, late = [result(15, 100) for _ in range(30)], [result(15, 5001) for _ in range(70)]
    assert figures_of(storm, written(*in_time, *late))["accepted_per_s"] == 3.0


def test_a_ladder_has_figures_for_each_step() -> None:
    ladder = shape_of("ladder", Asked(seconds=10))
    results = [result(10 + 10 * step, step + 1.0) for step in range(10)]
    assert [len(found) for _, found in results_by_step(ladder, results)] == [1] * 10
    figures = figures_of(ladder, written(*results))
    assert (figures["p99_ms_at_343_per_s"], figures["p99_ms_at_3430_per_s"]) == (1.0, 10.0)


def test_journals_of_several_processes_are_read_as_one(tmp_path: Path) -> None:
    for part in range(2):
        journal = Journal()
        journal.offered = 2
        journal.acknowledge(bytes([part]) * 16 + b"s" * 16)
        journal.leave_unanswered(bytes([part]) * 16 + bytes([part + 7]) * 16)
        journal.note(result(part, 3.5))
        journal.write(tmp_path / str(part), generator_cpu_s=1.5)
    together = read_journals([tmp_path / "0", tmp_path / "1"])
    assert together.acknowledged == {b"\0" * 16, b"\1" * 16, b"s" * 16}
    assert together.unanswered == {b"\7" * 16, b"\10" * 16}
    assert (together.figures["offered"], together.figures["generator_cpu_s"]) == (4, 3.0)
    assert [each.due_s for each in together.results] == [0, 1]
    assert [each.waited_ms for each in together.results] == [3.5, 3.5]


def test_a_series_has_a_line_for_every_second(tmp_path: Path) -> None:
    write_series(tmp_path / "series.csv", [result(0.2, 3), result(2.5, 5, 503), result(2.6, 7)])
    lines = (tmp_path / "series.csv").read_text().splitlines()
    assert lines[1:] == ["0,1,1,0,0,3,3", "1,0,0,0,0,0.0,0.0", "2,2,1,1,0,7,7"]
    write_series(tmp_path / "series.csv", [result(0.2, 3), result(0.5, 5, 503, is_refused=0)])
    assert (tmp_path / "series.csv").read_text().splitlines()[1:] == ["0,2,1,0,1,3,3"]


def test_every_shape_has_budgets_and_missing_one_is_seen() -> None:
    assert set(SHAPE_BUDGETS) == set(shape_names())
    figures = {"p50_ms": 6.0, "p99_ms": 30.1, "refused": 0, "given_up": 1, "errors": 0}
    assert missed("peak", figures) == ["p99_ms", "given_up"]
    storm = {"p99_ms": 250.0, "card_p99_ms": 250.1, "batch_p99_ms": 251.0, "accepted_per_s": 300, "errors": 1}
    assert missed("storm", storm) == ["card_p99_ms", "batch_p99_ms", "accepted_per_s", "errors"]
    assert not kept("day", {"scans_per_s": 2592, "errors": 0})["scans_per_s_within_budget"]
    assert not kept("overload", {"goodput": 1.2, "errors": 0})["goodput_within_budget"]


def missed(shape: str, figures: dict[str, float]) -> list[str]:
    return [name.removesuffix("_within_budget") for name, holds in kept(shape, figures).items() if not holds]


def test_what_was_never_accepted_keeps_no_budget_of_latency() -> None:
    assert missed("storm", {"p99_ms": 9.0, "card_p99_ms": 9.0, "accepted_per_s": 343, "errors": 0}) == ["batch_p99_ms"]


EVEN = {"acknowledged": 10, "stored": 10, "told": 10, "told_again": 0, "lost": 0, "untold": 0, "unexplained": 0}
DAY: dict[str, float] = {"offered": 10, "given_up": 0, "wrong_answers": 0, "scans_per_s": 9_000, "errors": 0}


def failed(shape: Shape, figures: dict[str, float], **counts: int) -> list[str]:
    checks = checks_of(shape, figures, Reckoning(**EVEN | counts), was_cut_short=False)
    return [name for name, holds in checks.items() if not holds]


def test_a_day_of_which_a_scan_was_given_up_is_not_uploaded() -> None:
    day = shape_of("day", Asked(scans=10))
    assert failed(day, DAY) == []
    assert failed(day, DAY | {"given_up": 1}, acknowledged=9) == ["everything_acknowledged"]
    assert failed(shape_of("day", Asked(scans=11)), DAY) == ["everything_acknowledged"]


def test_a_scan_that_was_neither_acknowledged_nor_given_up_is_missed() -> None:
    assert failed(shape_of("showings", Asked()), DAY, acknowledged=9) == ["every_scan_settled"]


@pytest.mark.parametrize(
    "difference", [{"lost": 1}, {"unexplained": 1}, {"untold": 1, "told": 9}, {"told_again": 1}, {"acknowledged": 0}]
)
def test_a_count_that_does_not_come_out_even_is_seen(difference: dict[str, int]) -> None:
    assert all(Reckoning(**EVEN).checks().values())
    assert not all(Reckoning(**EVEN | difference).checks().values())


@pytest.mark.parametrize(("holds", "status"), [(True, 0), (False, 1)])
def test_a_missed_budget_ends_with_a_status_other_than_zero(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, holds: bool, status: int
) -> None:
    @contextmanager
    def no_stack(*_: object, **__: object) -> Iterator[None]:
        yield None

    reports = []

    def report(name: str, _started_at: object, _figures: object, checks: dict[str, bool]) -> Path:
        reports.append((name, checks))
        return tmp_path / f"{name}.json"

    monkeypatch.setattr(run, "load_stack", no_stack)
    figures = {"offered": 4, "given_up": 1, "given_up_share": 0.25, "p99_ms": 31.0}
    monkeypatch.setattr(run, "run", lambda *_: (figures, {"p99_ms_within_budget": holds}))
    monkeypatch.setattr(run, "add_foreign", lambda *_: None)
    monkeypatch.setattr(run, "write_report", report)
    monkeypatch.setenv("SHAPE", "storm")
    assert run.main() == status
    assert "1 of 4 people (25.0%) never got an online answer" in capsys.readouterr().out.split("p99_ms")[0]
    assert reports == [(name, {"p99_ms_within_budget": holds}) for name in ("load", "load-storm")]


@pytest.mark.parametrize("given", [{"SHAPE": "gust"}, {"USERS": "many"}, {"SCANS": "0"}, {"PROFILE": "holiday"}])
def test_what_cannot_be_offered_is_refused_by_its_name(given: dict[str, str]) -> None:
    with pytest.raises(run.AskedWrongly, match=next(iter(given))):
        run.order_of(given)


def test_there_are_people_enough_that_nobody_is_at_two_gates_at_once() -> None:
    assert run.order_of({"SHAPE": "storm"}).people >= 3430 * 60
    assert run.order_of({"SHAPE": "day"}).people == 3_500_000
    assert run.order_of({}).people >= 343 * 610
    assert run.order_of({"PEOPLE": "500"}).people == 500
