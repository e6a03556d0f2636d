"""The shapes of what goes in and out, except on the scan path (scan_schemas.py) and of registration (forms.py)."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, FailFast, Field, model_validator

from chassis.fields import DateTime, Line

Kind = Literal["metro", "bus", "road", "compound", "building", "mall", "hospital", "school", "workplace", "port"]
CHECKPOINTS_MAX = 1000


Text = Annotated[Line, Field(max_length=120)]
Decisions = dict[str, dict[str, int]]
"""Scans by decision, and in it by colour."""


class In(BaseModel):
    model_config = ConfigDict(extra="forbid")


class DocumentIn(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    type: Literal["resident_id", "passport", "travel_permit", "residence_permit"]
    country: str | None = Field(default=None, max_length=64, description="ISO 3166-1 alpha-2; CN when absent")
    number: str = Field(max_length=64)


class CheckpointIn(In):
    checkpoint_id: UUID | None = Field(default=None, description="given where the place is known elsewhere already")
    kind: Kind
    name: Text
    venue: Text | None = None
    area: str = Field(pattern=r"^[0-9]{4,18}$", description="a node of the area tree")
    opens_at: DateTime | None = Field(default=None, description="from when it takes scans; since ever when absent")


class CheckpointsIn(In):
    """Many places registered together: all of them or none."""

    checkpoints: Annotated[list[CheckpointIn], FailFast()] = Field(min_length=1, max_length=CHECKPOINTS_MAX)

    @model_validator(mode="after")
    def _differ(self) -> CheckpointsIn:
        seen = set[UUID]()
        for n, each in enumerate(self.checkpoints):
            if each.checkpoint_id in seen:
                raise ValueError(f"checkpoints.{n} stands in the list before: a checkpoint is registered once")
            if each.checkpoint_id is not None:
                seen.add(each.checkpoint_id)
        return self


class PolicyIn(In):
    policy: str = Field(min_length=1, max_length=262_144, description="the signed policy, a compact JWS (policy+jwt)")


class PolicyOut(BaseModel):
    version: str
    effective_from: datetime
    published_by: str
    published_at: datetime
    in_force: bool


class SignedPolicyOut(PolicyOut):
    policy: str = Field(description="the compact JWS; its claims are version, policy, iat, effective_from")


class PoliciesOut(BaseModel):
    policies: list[PolicyOut]


class CheckpointVersionOut(BaseModel):
    kind: Kind
    name: str
    venue: str
    area: str
    stage: str
    successor: UUID | None
    holds_from: datetime


class BundleCheckpointOut(BaseModel):
    checkpoint_id: UUID
    versions: list[CheckpointVersionOut] = Field(description="what holds from when; the last may lie ahead")


class BundleListOut(BaseModel):
    list: int
    uri: str
    etag: str
    token: str | None = Field(description="the signed list; null where If-None-Match named its etag")


class BundleBoardOut(BaseModel):
    stale_s: int = Field(description="colours older than this count as stale")
    as_of: datetime = Field(description="the lists hold everything that had changed by then")


class BundleOut(BaseModel):
    checkpoint: BundleCheckpointOut
    jwks: dict[str, Any]
    policy_jwks: dict[str, Any]
    policy: str = Field(description="the policy in force, signed")
    upcoming_policies: list[str]
    status_lists: list[BundleListOut]
    board: BundleBoardOut
    epoch: int = Field(description="stands before every revision; raised after a restore from backup")
    nonce: str | None
    signature: str = Field(description="JWS over all members (`bundle+jwt`), under a key of `policy_jwks`")
    issued_at: datetime
    expires_at: datetime


class CheckpointRegisteredOut(BaseModel):
    checkpoint_id: UUID


class CheckpointsRegisteredOut(BaseModel):
    checkpoint_ids: list[UUID] = Field(description="in the order of the list that was sent")
    registered: int = Field(
        description="how many of them are new; the others were registered before, with the same content"
    )


class CheckpointOut(BaseModel):
    """As it holds now, since `holds_from` (null: since ever)."""

    checkpoint_id: UUID
    kind: Kind
    name: str
    venue: str | None
    area: str
    stage: Literal["planned", "open", "closed", "merged"]
    revision: int
    holds_from: datetime | None
    successor_id: UUID | None


class CheckpointsOut(BaseModel):
    checkpoints: list[CheckpointOut]
    next_cursor: UUID | None


class PosterOut(BaseModel):
    venue_code: str


class VenueVisitIn(In):
    scan_id: str = Field(max_length=36, description="a UUID of version 7, made when the poster was scanned")
    venue_code: str = Field(pattern=r"^[0-9A-HJKMNP-TV-Z]{12}$")
    pass_: str = Field(alias="pass", min_length=1, max_length=4096)
    scanned_at: str = Field(max_length=40, description="RFC 3339 with offset")


class VenueVisitOut(BaseModel):
    """No decision and no colour: a visit is reported, not judged before its sender."""

    scan_id: UUID
    self_reported: Literal[True] = True
    recorded_at: datetime


class ScanOut(BaseModel):
    scan_id: UUID
    person_ref: UUID | None
    checkpoint_id: UUID
    scanned_at: datetime
    recorded_at: datetime
    decision: str
    colour: str
    refusal: str | None
    direction: str | None
    temperature_c: float | None
    policy_version: str
    board_revision: int
    vehicle_ref: UUID | None
    is_self_reported: bool
    repeat_of: UUID | None = Field(description="the scan that this one only repeats: nobody else, within seconds")
    gate_said_at: datetime | None = Field(description="the gate's own time where its clock was off")


class HistoryOut(BaseModel):
    scans: list[ScanOut]
    next_cursor: str | None


class TraceIn(In):
    person_ref: UUID
    from_: DateTime = Field(alias="from")
    to: DateTime


class TraceRequestedOut(BaseModel):
    trace_id: UUID
    status: str


class TraceOut(BaseModel):
    """`entry_id` and `area` are the case's in the ledger; `requested_by` only where an official asked here."""

    trace_id: UUID
    entry_id: str | None
    person_ref: UUID
    area: str | None
    status: Literal["answered", "held"]
    contacts: int
    grades: dict[str, int]
    parts: int
    tracing_rule: str
    requested_at: datetime | None
    requested_by: str | None
    is_requester_known: bool
    approved_by: str | None


class TracesOut(BaseModel):
    traces: list[TraceOut]
    next_cursor: UUID | None


class ContactOut(BaseModel):
    """How somebody last met the case at the closest grade: by the checkpoint both were at, or in the same vehicle."""

    person_ref: UUID
    grade: Literal["close", "general"]
    by: Literal["checkpoint", "vehicle"]
    checkpoint_id: UUID
    vehicle_ref: UUID | None
    kind: Kind
    area: str
    met_at: datetime
    apart_s: float
    case_scan_id: UUID
    contact_scan_id: UUID


class ContactsOut(BaseModel):
    contacts: list[ContactOut]
    next_cursor: UUID | None


class DestructionOut(BaseModel):
    destruction_id: int
    what: str
    day: date
    rows: int
    destroyed_at: datetime
    rule: str


class DestructionsOut(BaseModel):
    destructions: list[DestructionOut]
    next_cursor: int | None


class ListOut(BaseModel):
    list: int
    revision: int


class BoardOut(BaseModel):
    lists: list[ListOut]
    complete: bool
    age_s: float
    stale: bool
    hash: str


class AreaFigures(BaseModel):
    area: str
    scans: int
    decisions: Decisions


class CheckpointFigures(BaseModel):
    checkpoint_id: UUID
    kind: str
    name: str
    area: str
    scans: int
    decisions: Decisions


class Figures(BaseModel):
    scans: int
    decisions: Decisions
    colours: dict[str, int]
    areas: list[AreaFigures]
    checkpoints: list[CheckpointFigures]


class LiveOut(BaseModel):
    at: datetime
    day: str
    scans_per_s: float
    last_minute: Figures
    today: Figures
