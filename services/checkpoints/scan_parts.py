"""What single scans and batches have in common."""

from __future__ import annotations

from dataclasses import dataclass

from chassis.clock import Clock
from services.checkpoints.attempts import AttemptReader
from services.checkpoints.bound_checkpoints import BoundCheckpoints
from services.checkpoints.fast_path import Policies, ScanPath
from services.checkpoints.masks import Masks
from services.checkpoints.rate_limit import Admission


@dataclass(frozen=True, slots=True)
class ScanParts:
    scan_path: ScanPath
    attempts: AttemptReader
    checkpoints: BoundCheckpoints
    policies: Policies
    masks: Masks
    admission: Admission
    clock: Clock
