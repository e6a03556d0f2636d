import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Grade(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    GRADE_UNSPECIFIED: _ClassVar[Grade]
    GRADE_CLOSE: _ClassVar[Grade]
    GRADE_GENERAL: _ClassVar[Grade]
GRADE_UNSPECIFIED: Grade
GRADE_CLOSE: Grade
GRADE_GENERAL: Grade

class ScanRecorded(_message.Message):
    __slots__ = ("scan_id", "checkpoint_id", "kind", "area", "scanned_at", "recorded_at", "decision", "colour", "refusal", "policy_version", "board_revision", "direction", "temperature_c", "list", "idx", "person_ref", "vehicle_ref", "offline_decision", "is_self_reported", "pass_iat", "repeat_of", "gate_said_at")
    SCAN_ID_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINT_ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    AREA_FIELD_NUMBER: _ClassVar[int]
    SCANNED_AT_FIELD_NUMBER: _ClassVar[int]
    RECORDED_AT_FIELD_NUMBER: _ClassVar[int]
    DECISION_FIELD_NUMBER: _ClassVar[int]
    COLOUR_FIELD_NUMBER: _ClassVar[int]
    REFUSAL_FIELD_NUMBER: _ClassVar[int]
    POLICY_VERSION_FIELD_NUMBER: _ClassVar[int]
    BOARD_REVISION_FIELD_NUMBER: _ClassVar[int]
    DIRECTION_FIELD_NUMBER: _ClassVar[int]
    TEMPERATURE_C_FIELD_NUMBER: _ClassVar[int]
    LIST_FIELD_NUMBER: _ClassVar[int]
    IDX_FIELD_NUMBER: _ClassVar[int]
    PERSON_REF_FIELD_NUMBER: _ClassVar[int]
    VEHICLE_REF_FIELD_NUMBER: _ClassVar[int]
    OFFLINE_DECISION_FIELD_NUMBER: _ClassVar[int]
    IS_SELF_REPORTED_FIELD_NUMBER: _ClassVar[int]
    PASS_IAT_FIELD_NUMBER: _ClassVar[int]
    REPEAT_OF_FIELD_NUMBER: _ClassVar[int]
    GATE_SAID_AT_FIELD_NUMBER: _ClassVar[int]
    scan_id: str
    checkpoint_id: str
    kind: str
    area: str
    scanned_at: _timestamp_pb2.Timestamp
    recorded_at: _timestamp_pb2.Timestamp
    decision: str
    colour: str
    refusal: str
    policy_version: str
    board_revision: int
    direction: str
    temperature_c: float
    list: int
    idx: int
    person_ref: str
    vehicle_ref: str
    offline_decision: str
    is_self_reported: bool
    pass_iat: int
    repeat_of: str
    gate_said_at: _timestamp_pb2.Timestamp
    def __init__(self, scan_id: _Optional[str] = ..., checkpoint_id: _Optional[str] = ..., kind: _Optional[str] = ..., area: _Optional[str] = ..., scanned_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., recorded_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., decision: _Optional[str] = ..., colour: _Optional[str] = ..., refusal: _Optional[str] = ..., policy_version: _Optional[str] = ..., board_revision: _Optional[int] = ..., direction: _Optional[str] = ..., temperature_c: _Optional[float] = ..., list: _Optional[int] = ..., idx: _Optional[int] = ..., person_ref: _Optional[str] = ..., vehicle_ref: _Optional[str] = ..., offline_decision: _Optional[str] = ..., is_self_reported: _Optional[bool] = ..., pass_iat: _Optional[int] = ..., repeat_of: _Optional[str] = ..., gate_said_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ScanCompleted(_message.Message):
    __slots__ = ("scan",)
    SCAN_FIELD_NUMBER: _ClassVar[int]
    scan: ScanRecorded
    def __init__(self, scan: _Optional[_Union[ScanRecorded, _Mapping]] = ...) -> None: ...

class PersonStopped(_message.Message):
    __slots__ = ("scan_id", "person_ref", "checkpoint_id", "kind", "area", "scanned_at", "colour", "refusal")
    SCAN_ID_FIELD_NUMBER: _ClassVar[int]
    PERSON_REF_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINT_ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    AREA_FIELD_NUMBER: _ClassVar[int]
    SCANNED_AT_FIELD_NUMBER: _ClassVar[int]
    COLOUR_FIELD_NUMBER: _ClassVar[int]
    REFUSAL_FIELD_NUMBER: _ClassVar[int]
    scan_id: str
    person_ref: str
    checkpoint_id: str
    kind: str
    area: str
    scanned_at: _timestamp_pb2.Timestamp
    colour: str
    refusal: str
    def __init__(self, scan_id: _Optional[str] = ..., person_ref: _Optional[str] = ..., checkpoint_id: _Optional[str] = ..., kind: _Optional[str] = ..., area: _Optional[str] = ..., scanned_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., colour: _Optional[str] = ..., refusal: _Optional[str] = ...) -> None: ...

class FeverFlagged(_message.Message):
    __slots__ = ("scan_id", "person_ref", "checkpoint_id", "kind", "area", "scanned_at", "temperature_c")
    SCAN_ID_FIELD_NUMBER: _ClassVar[int]
    PERSON_REF_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINT_ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    AREA_FIELD_NUMBER: _ClassVar[int]
    SCANNED_AT_FIELD_NUMBER: _ClassVar[int]
    TEMPERATURE_C_FIELD_NUMBER: _ClassVar[int]
    scan_id: str
    person_ref: str
    checkpoint_id: str
    kind: str
    area: str
    scanned_at: _timestamp_pb2.Timestamp
    temperature_c: float
    def __init__(self, scan_id: _Optional[str] = ..., person_ref: _Optional[str] = ..., checkpoint_id: _Optional[str] = ..., kind: _Optional[str] = ..., area: _Optional[str] = ..., scanned_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., temperature_c: _Optional[float] = ...) -> None: ...

class PassReused(_message.Message):
    __slots__ = ("scan_id", "person_ref", "checkpoint_id", "kind", "area", "scanned_at", "decision", "other_scan_id", "other_checkpoint_id", "other_scanned_at", "apart_s", "distance_m")
    SCAN_ID_FIELD_NUMBER: _ClassVar[int]
    PERSON_REF_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINT_ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    AREA_FIELD_NUMBER: _ClassVar[int]
    SCANNED_AT_FIELD_NUMBER: _ClassVar[int]
    DECISION_FIELD_NUMBER: _ClassVar[int]
    OTHER_SCAN_ID_FIELD_NUMBER: _ClassVar[int]
    OTHER_CHECKPOINT_ID_FIELD_NUMBER: _ClassVar[int]
    OTHER_SCANNED_AT_FIELD_NUMBER: _ClassVar[int]
    APART_S_FIELD_NUMBER: _ClassVar[int]
    DISTANCE_M_FIELD_NUMBER: _ClassVar[int]
    scan_id: str
    person_ref: str
    checkpoint_id: str
    kind: str
    area: str
    scanned_at: _timestamp_pb2.Timestamp
    decision: str
    other_scan_id: str
    other_checkpoint_id: str
    other_scanned_at: _timestamp_pb2.Timestamp
    apart_s: float
    distance_m: float
    def __init__(self, scan_id: _Optional[str] = ..., person_ref: _Optional[str] = ..., checkpoint_id: _Optional[str] = ..., kind: _Optional[str] = ..., area: _Optional[str] = ..., scanned_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., decision: _Optional[str] = ..., other_scan_id: _Optional[str] = ..., other_checkpoint_id: _Optional[str] = ..., other_scanned_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., apart_s: _Optional[float] = ..., distance_m: _Optional[float] = ...) -> None: ...

class OfflineDecisionDiffered(_message.Message):
    __slots__ = ("scan_id", "person_ref", "checkpoint_id", "kind", "area", "scanned_at", "taken_decision", "taken_refusal", "taken_policy_version", "taken_list_revision", "decision", "colour", "refusal", "policy_version", "board_revision")
    SCAN_ID_FIELD_NUMBER: _ClassVar[int]
    PERSON_REF_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINT_ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    AREA_FIELD_NUMBER: _ClassVar[int]
    SCANNED_AT_FIELD_NUMBER: _ClassVar[int]
    TAKEN_DECISION_FIELD_NUMBER: _ClassVar[int]
    TAKEN_REFUSAL_FIELD_NUMBER: _ClassVar[int]
    TAKEN_POLICY_VERSION_FIELD_NUMBER: _ClassVar[int]
    TAKEN_LIST_REVISION_FIELD_NUMBER: _ClassVar[int]
    DECISION_FIELD_NUMBER: _ClassVar[int]
    COLOUR_FIELD_NUMBER: _ClassVar[int]
    REFUSAL_FIELD_NUMBER: _ClassVar[int]
    POLICY_VERSION_FIELD_NUMBER: _ClassVar[int]
    BOARD_REVISION_FIELD_NUMBER: _ClassVar[int]
    scan_id: str
    person_ref: str
    checkpoint_id: str
    kind: str
    area: str
    scanned_at: _timestamp_pb2.Timestamp
    taken_decision: str
    taken_refusal: str
    taken_policy_version: str
    taken_list_revision: int
    decision: str
    colour: str
    refusal: str
    policy_version: str
    board_revision: int
    def __init__(self, scan_id: _Optional[str] = ..., person_ref: _Optional[str] = ..., checkpoint_id: _Optional[str] = ..., kind: _Optional[str] = ..., area: _Optional[str] = ..., scanned_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., taken_decision: _Optional[str] = ..., taken_refusal: _Optional[str] = ..., taken_policy_version: _Optional[str] = ..., taken_list_revision: _Optional[int] = ..., decision: _Optional[str] = ..., colour: _Optional[str] = ..., refusal: _Optional[str] = ..., policy_version: _Optional[str] = ..., board_revision: _Optional[int] = ...) -> None: ...

class GateClockOff(_message.Message):
    __slots__ = ("checkpoint_id", "kind", "area", "since", "off_s")
    CHECKPOINT_ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    AREA_FIELD_NUMBER: _ClassVar[int]
    SINCE_FIELD_NUMBER: _ClassVar[int]
    OFF_S_FIELD_NUMBER: _ClassVar[int]
    checkpoint_id: str
    kind: str
    area: str
    since: _timestamp_pb2.Timestamp
    off_s: float
    def __init__(self, checkpoint_id: _Optional[str] = ..., kind: _Optional[str] = ..., area: _Optional[str] = ..., since: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., off_s: _Optional[float] = ...) -> None: ...

class Contact(_message.Message):
    __slots__ = ("person_ref", "grade", "checkpoint_id", "kind", "area", "met_at", "apart_s", "case_scan_id", "contact_scan_id", "vehicle_ref")
    PERSON_REF_FIELD_NUMBER: _ClassVar[int]
    GRADE_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINT_ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    AREA_FIELD_NUMBER: _ClassVar[int]
    MET_AT_FIELD_NUMBER: _ClassVar[int]
    APART_S_FIELD_NUMBER: _ClassVar[int]
    CASE_SCAN_ID_FIELD_NUMBER: _ClassVar[int]
    CONTACT_SCAN_ID_FIELD_NUMBER: _ClassVar[int]
    VEHICLE_REF_FIELD_NUMBER: _ClassVar[int]
    person_ref: str
    grade: Grade
    checkpoint_id: str
    kind: str
    area: str
    met_at: _timestamp_pb2.Timestamp
    apart_s: float
    case_scan_id: str
    contact_scan_id: str
    vehicle_ref: str
    def __init__(self, person_ref: _Optional[str] = ..., grade: _Optional[_Union[Grade, str]] = ..., checkpoint_id: _Optional[str] = ..., kind: _Optional[str] = ..., area: _Optional[str] = ..., met_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., apart_s: _Optional[float] = ..., case_scan_id: _Optional[str] = ..., contact_scan_id: _Optional[str] = ..., vehicle_ref: _Optional[str] = ...) -> None: ...

class ContactsTraced(_message.Message):
    __slots__ = ("trace_id", "entry_id", "person_ref", "contacts", "part", "parts", "tracing_rule", "contacts_older")
    TRACE_ID_FIELD_NUMBER: _ClassVar[int]
    ENTRY_ID_FIELD_NUMBER: _ClassVar[int]
    PERSON_REF_FIELD_NUMBER: _ClassVar[int]
    CONTACTS_FIELD_NUMBER: _ClassVar[int]
    PART_FIELD_NUMBER: _ClassVar[int]
    PARTS_FIELD_NUMBER: _ClassVar[int]
    TRACING_RULE_FIELD_NUMBER: _ClassVar[int]
    CONTACTS_OLDER_FIELD_NUMBER: _ClassVar[int]
    trace_id: str
    entry_id: str
    person_ref: str
    contacts: _containers.RepeatedCompositeFieldContainer[Contact]
    part: int
    parts: int
    tracing_rule: str
    contacts_older: int
    def __init__(self, trace_id: _Optional[str] = ..., entry_id: _Optional[str] = ..., person_ref: _Optional[str] = ..., contacts: _Optional[_Iterable[_Union[Contact, _Mapping]]] = ..., part: _Optional[int] = ..., parts: _Optional[int] = ..., tracing_rule: _Optional[str] = ..., contacts_older: _Optional[int] = ...) -> None: ...

class TraceHeld(_message.Message):
    __slots__ = ("trace_id", "entry_id", "person_ref", "contacts", "contacts_max", "area", "bound")
    TRACE_ID_FIELD_NUMBER: _ClassVar[int]
    ENTRY_ID_FIELD_NUMBER: _ClassVar[int]
    PERSON_REF_FIELD_NUMBER: _ClassVar[int]
    CONTACTS_FIELD_NUMBER: _ClassVar[int]
    CONTACTS_MAX_FIELD_NUMBER: _ClassVar[int]
    AREA_FIELD_NUMBER: _ClassVar[int]
    BOUND_FIELD_NUMBER: _ClassVar[int]
    trace_id: str
    entry_id: str
    person_ref: str
    contacts: int
    contacts_max: int
    area: str
    bound: str
    def __init__(self, trace_id: _Optional[str] = ..., entry_id: _Optional[str] = ..., person_ref: _Optional[str] = ..., contacts: _Optional[int] = ..., contacts_max: _Optional[int] = ..., area: _Optional[str] = ..., bound: _Optional[str] = ...) -> None: ...

class MeasurementCaseOpened(_message.Message):
    __slots__ = ("case_id", "checkpoint_id", "kind", "area", "device_id", "temperature_c", "opened_at", "due_at")
    CASE_ID_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINT_ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    AREA_FIELD_NUMBER: _ClassVar[int]
    DEVICE_ID_FIELD_NUMBER: _ClassVar[int]
    TEMPERATURE_C_FIELD_NUMBER: _ClassVar[int]
    OPENED_AT_FIELD_NUMBER: _ClassVar[int]
    DUE_AT_FIELD_NUMBER: _ClassVar[int]
    case_id: str
    checkpoint_id: str
    kind: str
    area: str
    device_id: str
    temperature_c: float
    opened_at: _timestamp_pb2.Timestamp
    due_at: _timestamp_pb2.Timestamp
    def __init__(self, case_id: _Optional[str] = ..., checkpoint_id: _Optional[str] = ..., kind: _Optional[str] = ..., area: _Optional[str] = ..., device_id: _Optional[str] = ..., temperature_c: _Optional[float] = ..., opened_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., due_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class MeasurementCaseMoved(_message.Message):
    __slots__ = ("case_id", "checkpoint_id", "area", "step", "stage", "previous_stage", "moved_at", "remeasured_c", "person_ref", "clinic_id")
    CASE_ID_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINT_ID_FIELD_NUMBER: _ClassVar[int]
    AREA_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    STAGE_FIELD_NUMBER: _ClassVar[int]
    PREVIOUS_STAGE_FIELD_NUMBER: _ClassVar[int]
    MOVED_AT_FIELD_NUMBER: _ClassVar[int]
    REMEASURED_C_FIELD_NUMBER: _ClassVar[int]
    PERSON_REF_FIELD_NUMBER: _ClassVar[int]
    CLINIC_ID_FIELD_NUMBER: _ClassVar[int]
    case_id: str
    checkpoint_id: str
    area: str
    step: str
    stage: str
    previous_stage: str
    moved_at: _timestamp_pb2.Timestamp
    remeasured_c: float
    person_ref: str
    clinic_id: str
    def __init__(self, case_id: _Optional[str] = ..., checkpoint_id: _Optional[str] = ..., area: _Optional[str] = ..., step: _Optional[str] = ..., stage: _Optional[str] = ..., previous_stage: _Optional[str] = ..., moved_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., remeasured_c: _Optional[float] = ..., person_ref: _Optional[str] = ..., clinic_id: _Optional[str] = ...) -> None: ...

class MeasurementCaseOverdue(_message.Message):
    __slots__ = ("case_id", "checkpoint_id", "kind", "area", "stage", "due_at")
    CASE_ID_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINT_ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    AREA_FIELD_NUMBER: _ClassVar[int]
    STAGE_FIELD_NUMBER: _ClassVar[int]
    DUE_AT_FIELD_NUMBER: _ClassVar[int]
    case_id: str
    checkpoint_id: str
    kind: str
    area: str
    stage: str
    due_at: _timestamp_pb2.Timestamp
    def __init__(self, case_id: _Optional[str] = ..., checkpoint_id: _Optional[str] = ..., kind: _Optional[str] = ..., area: _Optional[str] = ..., stage: _Optional[str] = ..., due_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class DeviceSilent(_message.Message):
    __slots__ = ("device_id", "device_kind", "checkpoint_id", "area", "since")
    DEVICE_ID_FIELD_NUMBER: _ClassVar[int]
    DEVICE_KIND_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINT_ID_FIELD_NUMBER: _ClassVar[int]
    AREA_FIELD_NUMBER: _ClassVar[int]
    SINCE_FIELD_NUMBER: _ClassVar[int]
    device_id: str
    device_kind: str
    checkpoint_id: str
    area: str
    since: _timestamp_pb2.Timestamp
    def __init__(self, device_id: _Optional[str] = ..., device_kind: _Optional[str] = ..., checkpoint_id: _Optional[str] = ..., area: _Optional[str] = ..., since: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class DeviceDrifted(_message.Message):
    __slots__ = ("device_id", "device_kind", "checkpoint_id", "area", "since", "deviation_c")
    DEVICE_ID_FIELD_NUMBER: _ClassVar[int]
    DEVICE_KIND_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINT_ID_FIELD_NUMBER: _ClassVar[int]
    AREA_FIELD_NUMBER: _ClassVar[int]
    SINCE_FIELD_NUMBER: _ClassVar[int]
    DEVIATION_C_FIELD_NUMBER: _ClassVar[int]
    device_id: str
    device_kind: str
    checkpoint_id: str
    area: str
    since: _timestamp_pb2.Timestamp
    deviation_c: float
    def __init__(self, device_id: _Optional[str] = ..., device_kind: _Optional[str] = ..., checkpoint_id: _Optional[str] = ..., area: _Optional[str] = ..., since: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., deviation_c: _Optional[float] = ...) -> None: ...

class DeviceRecovered(_message.Message):
    __slots__ = ("device_id", "device_kind", "checkpoint_id", "area", "trouble", "at")
    DEVICE_ID_FIELD_NUMBER: _ClassVar[int]
    DEVICE_KIND_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINT_ID_FIELD_NUMBER: _ClassVar[int]
    AREA_FIELD_NUMBER: _ClassVar[int]
    TROUBLE_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    device_id: str
    device_kind: str
    checkpoint_id: str
    area: str
    trouble: str
    at: _timestamp_pb2.Timestamp
    def __init__(self, device_id: _Optional[str] = ..., device_kind: _Optional[str] = ..., checkpoint_id: _Optional[str] = ..., area: _Optional[str] = ..., trouble: _Optional[str] = ..., at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class VenueFull(_message.Message):
    __slots__ = ("venue", "area", "inside", "capacity", "at")
    VENUE_FIELD_NUMBER: _ClassVar[int]
    AREA_FIELD_NUMBER: _ClassVar[int]
    INSIDE_FIELD_NUMBER: _ClassVar[int]
    CAPACITY_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    venue: str
    area: str
    inside: int
    capacity: int
    at: _timestamp_pb2.Timestamp
    def __init__(self, venue: _Optional[str] = ..., area: _Optional[str] = ..., inside: _Optional[int] = ..., capacity: _Optional[int] = ..., at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class VenueFree(_message.Message):
    __slots__ = ("venue", "area", "inside", "capacity", "at")
    VENUE_FIELD_NUMBER: _ClassVar[int]
    AREA_FIELD_NUMBER: _ClassVar[int]
    INSIDE_FIELD_NUMBER: _ClassVar[int]
    CAPACITY_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    venue: str
    area: str
    inside: int
    capacity: int
    at: _timestamp_pb2.Timestamp
    def __init__(self, venue: _Optional[str] = ..., area: _Optional[str] = ..., inside: _Optional[int] = ..., capacity: _Optional[int] = ..., at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ArrivalRegistered(_message.Message):
    __slots__ = ("registration_id", "person_ref", "from_area", "to_area", "checkpoint_id", "kind", "area", "registered_at", "has_fever")
    REGISTRATION_ID_FIELD_NUMBER: _ClassVar[int]
    PERSON_REF_FIELD_NUMBER: _ClassVar[int]
    FROM_AREA_FIELD_NUMBER: _ClassVar[int]
    TO_AREA_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINT_ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    AREA_FIELD_NUMBER: _ClassVar[int]
    REGISTERED_AT_FIELD_NUMBER: _ClassVar[int]
    HAS_FEVER_FIELD_NUMBER: _ClassVar[int]
    registration_id: str
    person_ref: str
    from_area: str
    to_area: str
    checkpoint_id: str
    kind: str
    area: str
    registered_at: _timestamp_pb2.Timestamp
    has_fever: bool
    def __init__(self, registration_id: _Optional[str] = ..., person_ref: _Optional[str] = ..., from_area: _Optional[str] = ..., to_area: _Optional[str] = ..., checkpoint_id: _Optional[str] = ..., kind: _Optional[str] = ..., area: _Optional[str] = ..., registered_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., has_fever: _Optional[bool] = ...) -> None: ...

class CheckpointRegistered(_message.Message):
    __slots__ = ("checkpoint_id", "kind", "name", "venue", "area", "stage", "successor_id", "holds_from")
    CHECKPOINT_ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    VENUE_FIELD_NUMBER: _ClassVar[int]
    AREA_FIELD_NUMBER: _ClassVar[int]
    STAGE_FIELD_NUMBER: _ClassVar[int]
    SUCCESSOR_ID_FIELD_NUMBER: _ClassVar[int]
    HOLDS_FROM_FIELD_NUMBER: _ClassVar[int]
    checkpoint_id: str
    kind: str
    name: str
    venue: str
    area: str
    stage: str
    successor_id: str
    holds_from: _timestamp_pb2.Timestamp
    def __init__(self, checkpoint_id: _Optional[str] = ..., kind: _Optional[str] = ..., name: _Optional[str] = ..., venue: _Optional[str] = ..., area: _Optional[str] = ..., stage: _Optional[str] = ..., successor_id: _Optional[str] = ..., holds_from: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class CheckpointChangeOrdered(_message.Message):
    __slots__ = ("checkpoint_id", "number", "change", "holds_from", "kind", "name", "venue", "area", "successor_id", "withdraws")
    CHECKPOINT_ID_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    CHANGE_FIELD_NUMBER: _ClassVar[int]
    HOLDS_FROM_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    VENUE_FIELD_NUMBER: _ClassVar[int]
    AREA_FIELD_NUMBER: _ClassVar[int]
    SUCCESSOR_ID_FIELD_NUMBER: _ClassVar[int]
    WITHDRAWS_FIELD_NUMBER: _ClassVar[int]
    checkpoint_id: str
    number: int
    change: str
    holds_from: _timestamp_pb2.Timestamp
    kind: str
    name: str
    venue: str
    area: str
    successor_id: str
    withdraws: int
    def __init__(self, checkpoint_id: _Optional[str] = ..., number: _Optional[int] = ..., change: _Optional[str] = ..., holds_from: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., kind: _Optional[str] = ..., name: _Optional[str] = ..., venue: _Optional[str] = ..., area: _Optional[str] = ..., successor_id: _Optional[str] = ..., withdraws: _Optional[int] = ...) -> None: ...

class ScansDestroyed(_message.Message):
    __slots__ = ("day", "scans", "destroyed_at", "rule")
    DAY_FIELD_NUMBER: _ClassVar[int]
    SCANS_FIELD_NUMBER: _ClassVar[int]
    DESTROYED_AT_FIELD_NUMBER: _ClassVar[int]
    RULE_FIELD_NUMBER: _ClassVar[int]
    day: str
    scans: int
    destroyed_at: _timestamp_pb2.Timestamp
    rule: str
    def __init__(self, day: _Optional[str] = ..., scans: _Optional[int] = ..., destroyed_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., rule: _Optional[str] = ...) -> None: ...
