"""What a run comes to: its checks, and the sentence that stands above its figures."""

from __future__ import annotations

from collections.abc import Mapping

from loadtests.budgets import kept
from loadtests.reckoning import Reckoning
from loadtests.shapes import PATIENCE_S, Shape


def checks_of(
    shape: Shape, figures: Mapping[str, float], reckoning: Reckoning, *, was_cut_short: bool
) -> dict[str, bool]:
    """The count, what every answer must be, and the shape's budgets.

    A day is uploaded as fast as it goes, so nobody has a reason to give up: every one of its scans is acknowledged.
    """
    acknowledged, given_up = reckoning.acknowledged, figures["given_up"]
    checks = reckoning.checks() | {
        "every_answer_right": figures["wrong_answers"] == 0,
        "offered_in_full": not was_cut_short,
        "every_scan_settled": acknowledged + given_up == figures["offered"],
    }
    if shape.name == "day":
        checks["everything_acknowledged"] = given_up == 0 and acknowledged == figures["offered"] == shape.scans
    return checks | kept(shape.name, figures)


def who_got_no_answer(shape: Shape, figures: Mapping[str, float]) -> str:
    """What percentiles do not say: they are of those who were let in."""
    given_up, offered = figures["given_up"], figures["offered"]
    whose = "people" if shape.is_open else "scans"
    how = f"never got an online answer within {PATIENCE_S:.0f} s" if shape.retries else "asked once, and got none"
    return f"{given_up:,.0f} of {offered:,.0f} {whose} ({figures['given_up_share']:.1%}) {how}"
