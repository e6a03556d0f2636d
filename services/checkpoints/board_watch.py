"""What operators see of the board: its revisions, age and hash, in `/readyz` and in `/metrics`."""

from __future__ import annotations

import time
from collections.abc import Callable

from opentelemetry.metrics import CallbackOptions, Observation

from chassis.app import Readiness, ReadinessCheck
from chassis.telemetry import meter
from services.checkpoints.board import Board

_HASH_DIGITS = 12
"""Of the hash's hexadecimal digits: 48 bits, which a metric's float holds exactly."""


def board_check(board: Board) -> ReadinessCheck:
    """Ready once the board misses nothing; from then on it may only grow old."""

    def check() -> Readiness:
        fingerprint = board.fingerprint()
        age_s = round(board.age_s(time.time()), 1) if board.is_complete else None
        return Readiness(board.is_complete, {"lists": fingerprint.revisions, "age_s": age_s, "hash": fingerprint.hash})

    return check


def measure_board(board: Board) -> None:
    """Gauges of the process's board; two processes with the same `board_revision`s have the same `board_hash`."""

    def hash_now(_options: CallbackOptions) -> list[Observation]:
        return [Observation(int(board.fingerprint().hash[:_HASH_DIGITS], 16))]

    def revisions(_options: CallbackOptions) -> list[Observation]:
        return [Observation(revision, {"list": number}) for number, revision in board.revisions().items()]

    def age_s(_options: CallbackOptions) -> list[Observation]:
        return [Observation(board.age_s(time.time()))]

    told: dict[str, tuple[str, Callable[[CallbackOptions], list[Observation]]]] = {
        "board_hash": ("the first 48 bits of the hash over all lists", hash_now),
        "board_revision": ("the revision of each list", revisions),
        "board_age_seconds": ("seconds since the board was known to miss nothing", age_s),
    }
    for name, (description, observe) in told.items():
        meter.create_observable_gauge(name, callbacks=[observe], description=description)
