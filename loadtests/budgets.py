"""The figures that are promised; a run that misses one exits with a status other than zero."""

from __future__ import annotations

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
