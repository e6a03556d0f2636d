"""The two kinds of pass and how long each holds (D5)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Literal

PassKind = Literal["shown", "printed"]

PASS_LIVES: Mapping[PassKind, timedelta] = {"shown": timedelta(seconds=60), "printed": timedelta(days=180)}
PASS_CHARACTERS_MAX = 340
"""More would need a QR code too fine for a gate's camera."""
