"""The bodies that codes takes and gives; a field that is not described here is refused."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    FailFast,
    Field,
    JsonValue,
    StrictBool,
    field_validator,
    model_validator,
)

from chassis.date_times import LAST_YEAR
from chassis.fields import DateTime, Line, PersonName
from chassis.texts import require_seen
from city.documents import WRITTEN_CHARACTERS_MAX, Document, read_country, read_document, read_number
from services.codes.domain.dossier import Stay
from services.codes.domain.passes import PassKind
from services.codes.domain.people import Code, Entry
from services.codes.domain.verdicts import Reason

FACTS_BYTES_MAX = 4_096


AreaCode = Annotated[str, Field(pattern=r"^[0-9]{2,18}$", description="a code of the area tree, or of another city's")]


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DocumentBody(Body):
    type: Literal["resident_id", "passport", "travel_permit", "residence_permit"]
    country: Annotated[str, Field(max_length=WRITTEN_CHARACTERS_MAX), AfterValidator(read_country)] | None = None
    number: Annotated[str, Field(max_length=WRITTEN_CHARACTERS_MAX), AfterValidator(read_number)]

    def document(self) -> Document:
        return read_document(self.type, self.country, self.number)


class ResidenceBody(Body):
    area: AreaCode
    address: Annotated[Line, Field(max_length=200)] | None = None


class PersonBody(Body):
    document: DocumentBody
    name: Annotated[PersonName, Field(max_length=100)]
    phone: Annotated[str, Field(pattern=r"^\+?[0-9][0-9 -]{3,24}$")] | None = None
    birth_date: Annotated[str, Field(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$")] | None = None
    residence: ResidenceBody | None = None

    @field_validator("birth_date")
    @classmethod
    def _is_a_date(cls, value: str | None) -> str | None:
        if value is not None and not 1880 <= date.fromisoformat(value).year <= LAST_YEAR:
            raise ValueError("a birth date lies after 1880")
        return value


class PersonAnswer(BaseModel):
    person_ref: UUID


class StayBody(Body):
    area: AreaCode
    since: Annotated[DateTime, Field(alias="from")]
    until: Annotated[DateTime, Field(alias="to")]

    def stay(self) -> Stay:
        return Stay(self.area, self.since, self.until)


class DeclarationBody(Body):
    """Any symptom counts; known are fever, dry_cough, fatigue, sore_throat, shortness_of_breath, diarrhoea,
    loss_of_taste."""

    temperature_c: Annotated[float, Field(ge=34, le=43, strict=True, allow_inf_nan=False)] | None = None
    symptoms: Annotated[list[Annotated[str, Field(pattern=r"^[a-z_ -]{1,40}$")]], Field(max_length=20)]
    stays: Annotated[list[StayBody], FailFast(), Field(max_length=50)] = []
    contact_with_case: StrictBool
    made_at: DateTime | None = None

    def temperature_tenths(self) -> int | None:
        """Cut to the tenth, so that 37.3 and above stays at or above 373, and 37.29 below."""
        return None if self.temperature_c is None else math.floor(round(self.temperature_c * 10, 6))


class TextBody(BaseModel):
    zh: str
    en: str


class ReasonBody(BaseModel):
    rule: str
    rule_set: str
    colour: str
    text: TextBody
    evidence: list[str]


class AppealBody(BaseModel):
    allowed: bool
    url: str


class CodeAnswer(BaseModel):
    colour: Literal["green", "yellow", "red", "lapsed"]
    reasons: list[ReasonBody]
    since: datetime
    review_at: datetime | None
    lifts_when: TextBody | None
    appeal: AppealBody


class DeclarationAnswer(BaseModel):
    declaration_id: UUID
    code: CodeAnswer


class PassBody(Body):
    kind: PassKind


class PassAnswer(BaseModel):
    token: str
    expires_at: datetime
    colour: Literal["green", "yellow", "red", "lapsed"]


class MaskBody(Body):
    """A person by reference, or by the entry that their pass names."""

    person_ref: UUID | None = None
    list: Annotated[int, Field(ge=1, le=999_999)] | None = None
    idx: Annotated[int, Field(ge=0, lt=2**31)] | None = None

    @model_validator(mode="after")
    def _is_one(self) -> MaskBody:
        given = (self.person_ref is not None, self.list is not None, self.idx is not None)
        if given not in ((True, False, False), (False, True, True)):
            raise ValueError("give person_ref, or list and idx")
        return self

    def wanted(self) -> UUID | Entry:
        if self.person_ref is not None:
            return self.person_ref
        assert self.list is not None
        assert self.idx is not None
        return Entry(self.list, self.idx)


class MasksBody(Body):
    people: Annotated[list[MaskBody], FailFast(), Field(min_length=1, max_length=1000)]
    asked_by: Annotated[Line, Field(max_length=200)]


class MaskAnswer(BaseModel):
    name_masked: str
    document_tail: str


class MasksAnswer(BaseModel):
    masks: list[MaskAnswer | None]


def _require_seen_in(value: JsonValue) -> None:
    """Every text in a value, names of members included. Raises ValueError."""
    if isinstance(value, str):
        require_seen(value.replace("\n", " "))
    for each in value if isinstance(value, list) else value.items() if isinstance(value, dict) else ():
        for part in each if isinstance(each, tuple) else (each,):
            _require_seen_in(part)


class EvidenceBody(Body):
    """About exactly one of a person, a document (its holder) and an area."""

    evidence_id: UUID
    kind: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
    person_ref: UUID | None = None
    document: DocumentBody | None = None
    area: AreaCode | None = None
    facts: dict[str, JsonValue]
    observed_at: DateTime
    source: Annotated[Line, Field(max_length=200)]

    @field_validator("facts")
    @classmethod
    def _can_be_kept(cls, value: dict[str, Any]) -> dict[str, Any]:
        written = json.dumps(value, allow_nan=False)
        if len(written) > FACTS_BYTES_MAX:
            raise ValueError(f"facts have at most {FACTS_BYTES_MAX} bytes")
        _require_seen_in(value)
        return value

    @model_validator(mode="after")
    def _is_about_one(self) -> EvidenceBody:
        about = [name for name in ("person_ref", "document", "area") if getattr(self, name) is not None]
        if len(about) != 1:
            raise ValueError("give exactly one of person_ref, document and area")
        return self


class EvidenceAnswer(BaseModel):
    """`recorded` counts what was new."""

    accepted: int
    recorded: int


def _reason_body(reason: Reason) -> dict[str, Any]:
    return {
        "rule": reason.rule,
        "rule_set": reason.rule_set,
        "colour": reason.colour.word,
        "text": asdict(reason.text),
        "evidence": reason.evidence,
    }


def code_answer(code: Code, appeal_url: str) -> dict[str, Any]:
    """As `CodeAnswer`. Yellow and red can be appealed against; what has lapsed only needs a declaration."""
    return {
        "colour": code.colour.word,
        "reasons": list(map(_reason_body, code.reasons)),
        "since": code.since,
        "review_at": code.review_at,
        "lifts_when": code.lifts_when and asdict(code.lifts_when),
        "appeal": {"allowed": code.colour.word in ("yellow", "red"), "url": appeal_url},
    }
