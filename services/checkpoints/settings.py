"""What checkpoints reads from the environment."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field

from chassis.reach import require_private
from chassis.settings import ServiceSettings

HERE = Path(__file__).resolve().parent


class CheckpointsSettings(ServiceSettings):
    codes_url: Annotated[str, AfterValidator(require_private)] = Field(
        description="the address of the codes api: https, or http on this machine"
    )
    service_token_file: Path = Field(description="the bearer token (role service) for codes")
    city_key_file: Path = Field(description="64 hex characters: the key of person_ref")
    data_keys_file: Path = Field(description='keys of names and phones: JSON {"current": id, "keys": {id: 64 hex}}')
    fever_clinic_file: Path = Field(
        default=HERE.parents[1] / "data" / "guangzhou" / "fever_clinics.csv",
        description="where the guard sends a person with a fever: CSV with clinic_id, name_zh, name_en, area",
    )
    status_list_uri: str = Field(
        min_length=1, max_length=50, description="what a pass's status list address begins with; /<list> follows"
    )
    board_stale_s: float = Field(default=30.0, gt=0, le=3600, description="older than this the board is stale")
    measurement_case_minutes: float = Field(
        default=15.0, gt=0, le=1440, description="a hot reading that nobody has finished with by then alarms"
    )
    reading_days: int = Field(default=2, ge=2, le=28, description="days that readings of devices are kept")
    policy_file: Path = Field(description="a signed policy (a compact JWS), on the shelf from the first start on")
    policy_keys_file: Path = Field(description="the public keys that policies are signed with (JWKS, `policy+jwt`)")
    reuse_rule_file: Path = Field(default=HERE / "reuse" / "default.json", description="the rule of reused passes")
    positions_file: Path | None = Field(
        default=None, description="CSV of station_id, lng, lat: where the venues of metro checkpoints lie"
    )
    tracing_rule_file: Path = Field(default=HERE / "tracing" / "default.json", description="the tracing rule")
    trace_contacts_a_day_max: int = Field(
        default=5000,
        ge=0,
        le=1_000_000,
        description="contacts that the traces of one person tell in 24 hours without a second person",
    )
    scan_group_max: int = Field(default=500, ge=1, le=5000, description="scans in one commit group")
    scan_queue_max: int = Field(default=5000, ge=1000, le=200_000, description="scans that may wait for a commit")
    scan_admission_per_s: float = Field(
        default=0, ge=0, le=1_000_000, description="scans a second that one api process lets in, others get 503; 0: all"
    )
    single_scans_max: int = Field(
        default=256, ge=1, le=100_000, description="single scans under way at once in one api process; others wait"
    )
    scans_waiting_max: int = Field(
        default=300,
        ge=0,
        le=100_000,
        description="single scans that wait in a burst, fewer in a lasting storm; others get 503 unread",
    )
    scan_wait_target_ms: float = Field(
        default=20,
        gt=0,
        le=5000,
        description="when every wait of 100 ms was longer than this, scans that waited twice as long get 503",
    )
    scan_wait_ms_max: float = Field(
        default=150, gt=0, le=10_000, description="a single scan that waited longer than this gets 503"
    )
    scan_append_timeout_s: float = Field(default=5.0, gt=0, le=60, description="a commit slower than this is a 503")
