"""The scan path's bodies as schemas. Nothing is validated with them when a scan comes (attempts.py does that by hand);
they are what OpenAPI shows, and tests/contract/test_scan_contract.py holds both to the same."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from fastapi import FastAPI
from pydantic import BaseModel, ConfigDict, Field
from pydantic.json_schema import models_json_schema

from chassis.auth import BEARER
from chassis.description import describe
from chassis.fields import DateTime
from services.checkpoints.api.models import DocumentIn
from services.checkpoints.attempts import (
    PASS_CHARACTERS_MAX,
    PEOPLE_MAX,
    REVISION_MAX,
    TEMPERATURE_C_MAX,
    TEMPERATURE_C_MIN,
)
from services.checkpoints.batch_scans import BATCH_MAX

DecisionWord = Literal["pass", "check", "stop"]
ColourWord = Literal["green", "yellow", "red", "lapsed", "unknown"]
RefusalWord = Literal[
    "fever",
    "no_mask",
    "pass_expired",
    "pass_not_yet_valid",
    "pass_forged",
    "pass_void",
    "wrong_holder",
    "wrong_place",
    "checkpoint_revoked",
    "unknown_person",
    "board_stale",
    "test_missing",
    "test_old",
    "pass_reused",
    "clock_off",
]


class _In(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class CredentialIn(_In):
    """At least one of the three; `plate` of a vehicle, alone or beside its driver's pass or document."""

    pass_: str | None = Field(default=None, alias="pass", min_length=1, max_length=PASS_CHARACTERS_MAX)
    document: DocumentIn | None = None
    plate: str | None = Field(default=None, max_length=32)


class OfflineIn(_In):
    """What the gate had decided while it had no network."""

    decision: DecisionWord
    refusal: RefusalWord | None = None
    policy_version: str = Field(pattern=r"^[A-Za-z0-9._@-]{1,64}$")
    list_revision: int = Field(ge=0, lt=REVISION_MAX)


class PersonIn(_In):
    scan_id: UUID
    credential: CredentialIn
    temperature_c: float | None = Field(default=None, ge=TEMPERATURE_C_MIN, le=TEMPERATURE_C_MAX)
    mask: bool | None = None


class ScanIn(_In):
    scan_id: UUID = Field(description="version 7, made by the device; its time within 5 minutes of scanned_at")
    checkpoint_id: UUID
    credential: CredentialIn
    people: list[PersonIn] | None = Field(default=None, min_length=1, max_length=PEOPLE_MAX)
    direction: Literal["in", "out"] | None = None
    temperature_c: float | None = Field(default=None, ge=TEMPERATURE_C_MIN, le=TEMPERATURE_C_MAX)
    mask: bool | None = Field(default=None, description="false: seen without one; absent where nobody looked")
    scanned_at: DateTime = Field(
        description="with `offline` between 7 days ago and 5 minutes ahead; without, what is more than 2 minutes from "
        "the server's time is clock_off, and what is 7 days behind or a day ahead is refused"
    )
    offline: OfflineIn | None = None


class BatchIn(_In):
    scans: list[ScanIn] = Field(min_length=1, max_length=BATCH_MAX)


class Words(BaseModel):
    zh: str
    en: str


class Compared(BaseModel):
    """What the guard compares with the card and the person."""

    name_masked: str
    document_tail: str


class PersonAnswer(BaseModel):
    scan_id: UUID
    decision: DecisionWord
    colour: ColourWord
    refusal: RefusalWord | None
    say: Words
    policy_version: str
    board_revision: int
    recorded_at: datetime
    person: Compared | None = Field(
        default=None, exclude_if=lambda value: value is None, description="only where the policy says compare"
    )


class ScanAnswer(PersonAnswer):
    """Of a vehicle: the strictest of all, and each person's own."""

    people: list[PersonAnswer] | None = Field(default=None, exclude_if=lambda value: value is None)


class FieldProblem(BaseModel):
    field: str
    message: str


class ProblemDocument(BaseModel):
    """RFC 9457."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    errors: list[FieldProblem] | None = None


class RefusedItem(BaseModel):
    scan_id: str | None
    problem: ProblemDocument


class BatchAnswer(BaseModel):
    """In the order of the scans."""

    results: list[ScanAnswer | RefusedItem]


_PROBLEMS = {
    401: "no valid bearer token",
    403: "not a gate, or not bound to this checkpoint",
    404: "an unknown checkpoint",
    409: "the scan_id was recorded with other content",
    413: "the body is too large",
    422: "a field is not what it must be; nothing is recorded",
    503: "the store cannot be reached, or too many scans wait: send the same again after `Retry-After`",
}
_REFERENCE = "#/components/schemas/{model}"


def document_scan_routes(app: FastAPI) -> None:
    """Let the application's OpenAPI show the two routes that are served before it is reached."""

    describe(app, _add_scan_routes)


def _add_scan_routes(schema: dict[str, Any]) -> None:
    taken, given = (ScanIn, BatchIn), (ScanAnswer, BatchAnswer, ProblemDocument)
    _, definitions = models_json_schema(
        [(model, "validation") for model in taken] + [(model, "serialization") for model in given],
        ref_template=_REFERENCE,
    )
    schema.setdefault("components", {}).setdefault("schemas", {}).update(definitions["$defs"])
    schema["paths"]["/v1/scans"] = {"post": _operation("Record one scan", "record_scan", ScanIn, ScanAnswer)}
    schema["paths"]["/v1/scans/batch"] = {
        "post": _operation("Record up to 1,000 scans", "record_scans", BatchIn, BatchAnswer)
    }


def _operation(summary: str, name: str, taken: type[BaseModel], given: type[BaseModel]) -> dict[str, Any]:
    problem = {"application/problem+json": {"schema": _reference(ProblemDocument)}}
    return {
        "tags": ["scans"],
        "summary": summary,
        "operationId": name,
        "security": [{BEARER: []}],
        "requestBody": {"required": True, "content": {"application/json": {"schema": _reference(taken)}}},
        "responses": {
            "200": {"description": "recorded", "content": {"application/json": {"schema": _reference(given)}}},
            **{str(status): {"description": text, "content": problem} for status, text in _PROBLEMS.items()},
        },
    }


def _reference(model: type[BaseModel]) -> dict[str, str]:
    return {"$ref": _REFERENCE.format(model=model.__name__)}
