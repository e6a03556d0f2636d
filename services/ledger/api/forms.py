"""The bodies and queries that the ledger takes; whatever is not named here is refused."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    StringConstraints,
    model_validator,
)

from chassis.fields import DateTime, Line, PersonName
from city.documents import DOCUMENT_TYPES, WRITTEN_CHARACTERS_MAX

FACTS_MAX = 20


def _version_7(identifier: UUID) -> UUID:
    if identifier.version != 7:
        raise ValueError("write a UUID of version 7")
    return identifier


EntryId = Annotated[UUID, AfterValidator(_version_7)]
AreaCode = Annotated[str, StringConstraints(pattern=r"^[0-9]{2,18}$")]
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.@-]{1,60}$")]
Facts = Annotated[dict[Name, JsonValue], Field(max_length=FACTS_MAX)]
Phone = Annotated[str, StringConstraints(pattern=r"^\+?[0-9 \-]{3,20}$")]


class _Form(BaseModel):
    model_config = ConfigDict(extra="forbid")


class DocumentForm(_Form):
    type: str = Field(json_schema_extra={"enum": list(DOCUMENT_TYPES)}, max_length=40)
    country: str | None = Field(default=None, max_length=WRITTEN_CHARACTERS_MAX)
    number: str = Field(max_length=WRITTEN_CHARACTERS_MAX)


class PersonForm(_Form):
    """Either person_ref or document."""

    person_ref: UUID | None = None
    document: DocumentForm | None = None
    name: Annotated[PersonName, Field(max_length=100)] | None = None
    phone: Phone | None = None

    @model_validator(mode="after")
    def _one_of_two(self) -> PersonForm:
        if (self.person_ref is None) == (self.document is None):
            raise ValueError("write either person_ref or document")
        return self


class OpeningForm(_Form):
    entry_id: EntryId | None = None
    ledger: Name
    person: PersonForm
    area: AreaCode
    facts: Facts
    opened_at: DateTime | None = None


class MoveForm(_Form):
    move: Name
    facts: Facts = Field(default_factory=dict)
    expected_version: Annotated[int, Field(strict=True, ge=1, le=2**31 - 1)]


class CorrectionForm(_Form):
    """What is not written stays as it stands."""

    name: Annotated[PersonName, Field(max_length=100)] | None = None
    phone: Phone | None = None
    reason: Annotated[Line, Field(min_length=1, max_length=200)]

    @model_validator(mode="after")
    def _something(self) -> CorrectionForm:
        if self.name is None and self.phone is None:
            raise ValueError("write a name, a phone, or both")
        return self


class EntriesQuery(_Form):
    ledger: Name | None = None
    stage: Name | None = None
    area: AreaCode | None = None
    overdue: bool = False
    owner: AreaCode | None = None
    cursor: UUID | None = None
    limit: int = Field(default=100, ge=1, le=200)


class AlarmsQuery(_Form):
    area: AreaCode | None = None
    cursor: UUID | None = None
    limit: int = Field(default=100, ge=1, le=200)


class TasksQuery(_Form):
    area: AreaCode | None = None
    owner: AreaCode | None = None
    overdue: bool = False
    completed: bool = False
    cursor: UUID | None = None
    limit: int = Field(default=100, ge=1, le=200)


class CompletionForm(_Form):
    outcome: Literal["received", "not_found", "gone_elsewhere"]
    to_area: Annotated[str, StringConstraints(pattern=r"^([0-9]{2,18}|outside|unknown)$")] | None = Field(
        default=None,
        description="with `gone_elsewhere`: a node of the area tree, a division outside, `outside`, or `unknown`",
    )
    expected_version: Annotated[int, Field(strict=True, ge=1, le=2**31 - 1)]


class ProofQuery(_Form):
    entry: UUID
    from_seq: int | None = Field(default=None, ge=1, le=2**62)


Shown = dict[str, Any]
