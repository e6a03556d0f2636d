import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Colour(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    COLOUR_UNSPECIFIED: _ClassVar[Colour]
    COLOUR_GREEN: _ClassVar[Colour]
    COLOUR_YELLOW: _ClassVar[Colour]
    COLOUR_RED: _ClassVar[Colour]
    COLOUR_LAPSED: _ClassVar[Colour]
COLOUR_UNSPECIFIED: Colour
COLOUR_GREEN: Colour
COLOUR_YELLOW: Colour
COLOUR_RED: Colour
COLOUR_LAPSED: Colour

class Reason(_message.Message):
    __slots__ = ("rule", "rule_set", "evidence_ids", "text_zh", "text_en", "colour", "ends_at")
    RULE_FIELD_NUMBER: _ClassVar[int]
    RULE_SET_FIELD_NUMBER: _ClassVar[int]
    EVIDENCE_IDS_FIELD_NUMBER: _ClassVar[int]
    TEXT_ZH_FIELD_NUMBER: _ClassVar[int]
    TEXT_EN_FIELD_NUMBER: _ClassVar[int]
    COLOUR_FIELD_NUMBER: _ClassVar[int]
    ENDS_AT_FIELD_NUMBER: _ClassVar[int]
    rule: str
    rule_set: str
    evidence_ids: _containers.RepeatedScalarFieldContainer[str]
    text_zh: str
    text_en: str
    colour: Colour
    ends_at: _timestamp_pb2.Timestamp
    def __init__(self, rule: _Optional[str] = ..., rule_set: _Optional[str] = ..., evidence_ids: _Optional[_Iterable[str]] = ..., text_zh: _Optional[str] = ..., text_en: _Optional[str] = ..., colour: _Optional[_Union[Colour, str]] = ..., ends_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ColourChanged(_message.Message):
    __slots__ = ("person_ref", "colour", "previous", "since", "review_at", "reasons", "rule_set", "area")
    PERSON_REF_FIELD_NUMBER: _ClassVar[int]
    COLOUR_FIELD_NUMBER: _ClassVar[int]
    PREVIOUS_FIELD_NUMBER: _ClassVar[int]
    SINCE_FIELD_NUMBER: _ClassVar[int]
    REVIEW_AT_FIELD_NUMBER: _ClassVar[int]
    REASONS_FIELD_NUMBER: _ClassVar[int]
    RULE_SET_FIELD_NUMBER: _ClassVar[int]
    AREA_FIELD_NUMBER: _ClassVar[int]
    person_ref: str
    colour: Colour
    previous: Colour
    since: _timestamp_pb2.Timestamp
    review_at: _timestamp_pb2.Timestamp
    reasons: _containers.RepeatedCompositeFieldContainer[Reason]
    rule_set: str
    area: str
    def __init__(self, person_ref: _Optional[str] = ..., colour: _Optional[_Union[Colour, str]] = ..., previous: _Optional[_Union[Colour, str]] = ..., since: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., review_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., reasons: _Optional[_Iterable[_Union[Reason, _Mapping]]] = ..., rule_set: _Optional[str] = ..., area: _Optional[str] = ...) -> None: ...

class StandingsChanged(_message.Message):
    __slots__ = ("list", "revision", "idx", "colours", "person_refs")
    LIST_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    IDX_FIELD_NUMBER: _ClassVar[int]
    COLOURS_FIELD_NUMBER: _ClassVar[int]
    PERSON_REFS_FIELD_NUMBER: _ClassVar[int]
    list: int
    revision: int
    idx: _containers.RepeatedScalarFieldContainer[int]
    colours: bytes
    person_refs: bytes
    def __init__(self, list: _Optional[int] = ..., revision: _Optional[int] = ..., idx: _Optional[_Iterable[int]] = ..., colours: _Optional[bytes] = ..., person_refs: _Optional[bytes] = ...) -> None: ...

class StandingsHeartbeat(_message.Message):
    __slots__ = ("lists", "at")
    class ListRevision(_message.Message):
        __slots__ = ("list", "revision")
        LIST_FIELD_NUMBER: _ClassVar[int]
        REVISION_FIELD_NUMBER: _ClassVar[int]
        list: int
        revision: int
        def __init__(self, list: _Optional[int] = ..., revision: _Optional[int] = ...) -> None: ...
    LISTS_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    lists: _containers.RepeatedCompositeFieldContainer[StandingsHeartbeat.ListRevision]
    at: _timestamp_pb2.Timestamp
    def __init__(self, lists: _Optional[_Iterable[_Union[StandingsHeartbeat.ListRevision, _Mapping]]] = ..., at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...
