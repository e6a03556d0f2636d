"""What the endpoints work with, put together in main.py."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, cast
from zoneinfo import ZoneInfo

from fastapi import Depends, Request

from chassis.clock import Clock
from chassis.database import Database
from city.areas import AreaTree
from services.checkpoints.attempts import AttemptReader
from services.checkpoints.board import Board
from services.checkpoints.bundle_signing import BundleSigner
from services.checkpoints.bundles import SignedLists
from services.checkpoints.domain.clinics import FeverClinics
from services.checkpoints.domain.keeping import Keeping
from services.checkpoints.fast_path import ScanPath
from services.checkpoints.key_ring import KeyRing
from services.checkpoints.policy_shelf import PolicyShelf
from services.checkpoints.publication import Publication
from services.checkpoints.rate_limit import Admission
from services.checkpoints.registry import Registry
from services.checkpoints.sealing import Sealer
from services.checkpoints.trace import Tracing
from services.checkpoints.use_cases.measuring import Measuring
from services.checkpoints.use_cases.places import Places
from services.checkpoints.use_cases.registering import Registering
from services.checkpoints.use_cases.shifts import Shifts
from services.checkpoints.use_cases.venues import Venues


@dataclass(frozen=True, slots=True)
class Desk:
    database: Database
    places: Places
    tracing: Tracing
    registry: Registry
    board: Board
    attempts: AttemptReader
    scan_path: ScanPath
    admission: Admission
    policies: PolicyShelf
    publication: Publication
    policy_jwks: dict[str, Any]
    bundle_signer: BundleSigner
    signed_lists: SignedLists
    status_list_uri: str
    city: str
    city_key: bytes
    zone: ZoneInfo
    keeping: Keeping
    clock: Clock
    areas: AreaTree
    sealer: Sealer
    clinics: FeverClinics
    registering: Registering
    measuring: Measuring
    shifts: Shifts
    venues: Venues
    key_ring: KeyRing


def desk_of(request: Request) -> Desk:
    return cast(Desk, request.app.state.desk)


AtDesk = Annotated[Desk, Depends(desk_of)]
