import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class EntryOpened(_message.Message):
    __slots__ = ("entry_id", "ledger", "definition", "person_ref", "area", "stage", "owner", "opened_at", "next_deadline", "caused_by_entry", "caused_by_event")
    ENTRY_ID_FIELD_NUMBER: _ClassVar[int]
    LEDGER_FIELD_NUMBER: _ClassVar[int]
    DEFINITION_FIELD_NUMBER: _ClassVar[int]
    PERSON_REF_FIELD_NUMBER: _ClassVar[int]
    AREA_FIELD_NUMBER: _ClassVar[int]
    STAGE_FIELD_NUMBER: _ClassVar[int]
    OWNER_FIELD_NUMBER: _ClassVar[int]
    OPENED_AT_FIELD_NUMBER: _ClassVar[int]
    NEXT_DEADLINE_FIELD_NUMBER: _ClassVar[int]
    CAUSED_BY_ENTRY_FIELD_NUMBER: _ClassVar[int]
    CAUSED_BY_EVENT_FIELD_NUMBER: _ClassVar[int]
    entry_id: str
    ledger: str
    definition: str
    person_ref: str
    area: str
    stage: str
    owner: str
    opened_at: _timestamp_pb2.Timestamp
    next_deadline: _timestamp_pb2.Timestamp
    caused_by_entry: str
    caused_by_event: str
    def __init__(self, entry_id: _Optional[str] = ..., ledger: _Optional[str] = ..., definition: _Optional[str] = ..., person_ref: _Optional[str] = ..., area: _Optional[str] = ..., stage: _Optional[str] = ..., owner: _Optional[str] = ..., opened_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., next_deadline: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., caused_by_entry: _Optional[str] = ..., caused_by_event: _Optional[str] = ...) -> None: ...

class EntryMoved(_message.Message):
    __slots__ = ("entry_id", "ledger", "person_ref", "area", "move", "stage", "previous_stage", "owner", "moved_at", "next_deadline")
    ENTRY_ID_FIELD_NUMBER: _ClassVar[int]
    LEDGER_FIELD_NUMBER: _ClassVar[int]
    PERSON_REF_FIELD_NUMBER: _ClassVar[int]
    AREA_FIELD_NUMBER: _ClassVar[int]
    MOVE_FIELD_NUMBER: _ClassVar[int]
    STAGE_FIELD_NUMBER: _ClassVar[int]
    PREVIOUS_STAGE_FIELD_NUMBER: _ClassVar[int]
    OWNER_FIELD_NUMBER: _ClassVar[int]
    MOVED_AT_FIELD_NUMBER: _ClassVar[int]
    NEXT_DEADLINE_FIELD_NUMBER: _ClassVar[int]
    entry_id: str
    ledger: str
    person_ref: str
    area: str
    move: str
    stage: str
    previous_stage: str
    owner: str
    moved_at: _timestamp_pb2.Timestamp
    next_deadline: _timestamp_pb2.Timestamp
    def __init__(self, entry_id: _Optional[str] = ..., ledger: _Optional[str] = ..., person_ref: _Optional[str] = ..., area: _Optional[str] = ..., move: _Optional[str] = ..., stage: _Optional[str] = ..., previous_stage: _Optional[str] = ..., owner: _Optional[str] = ..., moved_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., next_deadline: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class EntryClosed(_message.Message):
    __slots__ = ("entry_id", "ledger", "person_ref", "area", "stage", "outcome", "closed_at")
    ENTRY_ID_FIELD_NUMBER: _ClassVar[int]
    LEDGER_FIELD_NUMBER: _ClassVar[int]
    PERSON_REF_FIELD_NUMBER: _ClassVar[int]
    AREA_FIELD_NUMBER: _ClassVar[int]
    STAGE_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    CLOSED_AT_FIELD_NUMBER: _ClassVar[int]
    entry_id: str
    ledger: str
    person_ref: str
    area: str
    stage: str
    outcome: str
    closed_at: _timestamp_pb2.Timestamp
    def __init__(self, entry_id: _Optional[str] = ..., ledger: _Optional[str] = ..., person_ref: _Optional[str] = ..., area: _Optional[str] = ..., stage: _Optional[str] = ..., outcome: _Optional[str] = ..., closed_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class EvidenceFound(_message.Message):
    __slots__ = ("evidence_id", "person_ref", "kind", "entry_id", "observed_at", "ended_at", "outcome", "area", "succeeded_by")
    EVIDENCE_ID_FIELD_NUMBER: _ClassVar[int]
    PERSON_REF_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    ENTRY_ID_FIELD_NUMBER: _ClassVar[int]
    OBSERVED_AT_FIELD_NUMBER: _ClassVar[int]
    ENDED_AT_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    AREA_FIELD_NUMBER: _ClassVar[int]
    SUCCEEDED_BY_FIELD_NUMBER: _ClassVar[int]
    evidence_id: str
    person_ref: str
    kind: str
    entry_id: str
    observed_at: _timestamp_pb2.Timestamp
    ended_at: _timestamp_pb2.Timestamp
    outcome: str
    area: str
    succeeded_by: str
    def __init__(self, evidence_id: _Optional[str] = ..., person_ref: _Optional[str] = ..., kind: _Optional[str] = ..., entry_id: _Optional[str] = ..., observed_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., ended_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., outcome: _Optional[str] = ..., area: _Optional[str] = ..., succeeded_by: _Optional[str] = ...) -> None: ...

class TraceRequested(_message.Message):
    __slots__ = ("trace_id", "entry_id", "person_ref", "to", "requested_by", "area")
    TRACE_ID_FIELD_NUMBER: _ClassVar[int]
    ENTRY_ID_FIELD_NUMBER: _ClassVar[int]
    PERSON_REF_FIELD_NUMBER: _ClassVar[int]
    FROM_FIELD_NUMBER: _ClassVar[int]
    TO_FIELD_NUMBER: _ClassVar[int]
    REQUESTED_BY_FIELD_NUMBER: _ClassVar[int]
    AREA_FIELD_NUMBER: _ClassVar[int]
    trace_id: str
    entry_id: str
    person_ref: str
    to: _timestamp_pb2.Timestamp
    requested_by: str
    area: str
    def __init__(self, trace_id: _Optional[str] = ..., entry_id: _Optional[str] = ..., person_ref: _Optional[str] = ..., to: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., requested_by: _Optional[str] = ..., area: _Optional[str] = ..., **kwargs) -> None: ...

class AlarmRaised(_message.Message):
    __slots__ = ("alarm_id", "kind", "person_ref", "entry_id", "owner", "area", "checkpoint_id", "scan_id", "raised_at", "about")
    ALARM_ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    PERSON_REF_FIELD_NUMBER: _ClassVar[int]
    ENTRY_ID_FIELD_NUMBER: _ClassVar[int]
    OWNER_FIELD_NUMBER: _ClassVar[int]
    AREA_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINT_ID_FIELD_NUMBER: _ClassVar[int]
    SCAN_ID_FIELD_NUMBER: _ClassVar[int]
    RAISED_AT_FIELD_NUMBER: _ClassVar[int]
    ABOUT_FIELD_NUMBER: _ClassVar[int]
    alarm_id: str
    kind: str
    person_ref: str
    entry_id: str
    owner: str
    area: str
    checkpoint_id: str
    scan_id: str
    raised_at: _timestamp_pb2.Timestamp
    about: str
    def __init__(self, alarm_id: _Optional[str] = ..., kind: _Optional[str] = ..., person_ref: _Optional[str] = ..., entry_id: _Optional[str] = ..., owner: _Optional[str] = ..., area: _Optional[str] = ..., checkpoint_id: _Optional[str] = ..., scan_id: _Optional[str] = ..., raised_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., about: _Optional[str] = ...) -> None: ...

class TaskOpened(_message.Message):
    __slots__ = ("task_id", "kind", "person_ref", "owner", "area", "opened_at", "due_at", "caused_by", "registration_id")
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    PERSON_REF_FIELD_NUMBER: _ClassVar[int]
    OWNER_FIELD_NUMBER: _ClassVar[int]
    AREA_FIELD_NUMBER: _ClassVar[int]
    OPENED_AT_FIELD_NUMBER: _ClassVar[int]
    DUE_AT_FIELD_NUMBER: _ClassVar[int]
    CAUSED_BY_FIELD_NUMBER: _ClassVar[int]
    REGISTRATION_ID_FIELD_NUMBER: _ClassVar[int]
    task_id: str
    kind: str
    person_ref: str
    owner: str
    area: str
    opened_at: _timestamp_pb2.Timestamp
    due_at: _timestamp_pb2.Timestamp
    caused_by: str
    registration_id: str
    def __init__(self, task_id: _Optional[str] = ..., kind: _Optional[str] = ..., person_ref: _Optional[str] = ..., owner: _Optional[str] = ..., area: _Optional[str] = ..., opened_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., due_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., caused_by: _Optional[str] = ..., registration_id: _Optional[str] = ...) -> None: ...

class TaskCompleted(_message.Message):
    __slots__ = ("task_id", "kind", "person_ref", "owner", "area", "outcome", "completed_at", "to_area", "followed_by")
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    PERSON_REF_FIELD_NUMBER: _ClassVar[int]
    OWNER_FIELD_NUMBER: _ClassVar[int]
    AREA_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    COMPLETED_AT_FIELD_NUMBER: _ClassVar[int]
    TO_AREA_FIELD_NUMBER: _ClassVar[int]
    FOLLOWED_BY_FIELD_NUMBER: _ClassVar[int]
    task_id: str
    kind: str
    person_ref: str
    owner: str
    area: str
    outcome: str
    completed_at: _timestamp_pb2.Timestamp
    to_area: str
    followed_by: str
    def __init__(self, task_id: _Optional[str] = ..., kind: _Optional[str] = ..., person_ref: _Optional[str] = ..., owner: _Optional[str] = ..., area: _Optional[str] = ..., outcome: _Optional[str] = ..., completed_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., to_area: _Optional[str] = ..., followed_by: _Optional[str] = ...) -> None: ...

class LedgerDefined(_message.Message):
    __slots__ = ("definition", "ledger", "version", "valid_from", "strength", "title", "stages")
    DEFINITION_FIELD_NUMBER: _ClassVar[int]
    LEDGER_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    VALID_FROM_FIELD_NUMBER: _ClassVar[int]
    STRENGTH_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    STAGES_FIELD_NUMBER: _ClassVar[int]
    definition: str
    ledger: str
    version: int
    valid_from: _timestamp_pb2.Timestamp
    strength: int
    title: Title
    stages: _containers.RepeatedCompositeFieldContainer[DefinedStage]
    def __init__(self, definition: _Optional[str] = ..., ledger: _Optional[str] = ..., version: _Optional[int] = ..., valid_from: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., strength: _Optional[int] = ..., title: _Optional[_Union[Title, _Mapping]] = ..., stages: _Optional[_Iterable[_Union[DefinedStage, _Mapping]]] = ...) -> None: ...

class Title(_message.Message):
    __slots__ = ("zh", "en")
    ZH_FIELD_NUMBER: _ClassVar[int]
    EN_FIELD_NUMBER: _ClassVar[int]
    zh: str
    en: str
    def __init__(self, zh: _Optional[str] = ..., en: _Optional[str] = ...) -> None: ...

class DefinedStage(_message.Message):
    __slots__ = ("stage", "title", "is_final")
    STAGE_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    IS_FINAL_FIELD_NUMBER: _ClassVar[int]
    stage: str
    title: Title
    is_final: bool
    def __init__(self, stage: _Optional[str] = ..., title: _Optional[_Union[Title, _Mapping]] = ..., is_final: _Optional[bool] = ...) -> None: ...
