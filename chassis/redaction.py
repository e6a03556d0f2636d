"""What may leave the process in a log or a trace: nothing that looks like a person, a pass or a password."""

from __future__ import annotations

import re
import sys
import traceback
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from typing import Any

from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import Status

REDACTED = "[redacted]"
_PERSONAL_KEYS = re.compile(
    r"name(s|_.*)?$|phone|mobile|email|document|number|id_?card|passport|address|birth|token|authorization|password|"
    r"secret|person|plate|pass$|credential|symptom|temperature",
    re.IGNORECASE,
)
_PERSONAL_TEXT = re.compile(
    r"eyJ[\w-]+\.[\w-]+\.[\w-]*"  # a compact JWS
    r"|(?<![0-9A-Za-z])\d{15}(?:\d{2}[\dXx])?(?![0-9A-Za-z])"  # a resident identity number (GB 11643)
    r"|(?<![0-9A-Za-z])(?:\+?86[ -]?)?1[3-9]\d[ -]?\d{4}[ -]?\d{4}(?![0-9A-Za-z])"  # a mobile telephone number
    r"|(?<![0-9A-Za-z])[A-Z]{1,2}\d{7,10}(?![0-9A-Za-z])"  # a passport, a travel permit
    r"|(?<=postgresql://)[^\s@/]*@"  # a database password
    r"|(?<=input_value=).+?(?=, input_type=)"  # what Pydantic was given
    r"|(?<=DETAIL:  ).+"  # the row that PostgreSQL quotes
    r"|(?<=\[parameters: ).+"  # what SQLAlchemy bound
)


def name_exception(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A structlog processor: an exception as the places it passed and its first line; the rest may quote a row."""
    given = event.pop("exc_info", None)
    error = given[1] if isinstance(given, tuple) else sys.exc_info()[1] if given is True else given
    if isinstance(error, BaseException):
        event["exception"] = "\nfrom\n".join(_told(each) for each in _causes(error))
    return event


def error_text(error: BaseException) -> str:
    """The error's kind and first line, redacted: a database's second line may quote a row."""
    said = str(getattr(error, "orig", None) or error).strip().splitlines()
    return f"{type(error).__name__}: {_clean(said[0])[:300] if said else ''}"


def _told(error: BaseException) -> str:
    return "".join(traceback.format_tb(error.__traceback__)) + error_text(error)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def redact(_logger: Any, _method: str, event: Mapping[str, Any]) -> Mapping[str, Any]:
    """A structlog processor: whatever looks like a person, a pass or a password is replaced, however deep it sits."""
    return {key: _redacted(key, value) for key, value in event.items()}


def _redacted(key: str, value: Any) -> Any:
    if key != "event" and _PERSONAL_KEYS.search(key):
        return REDACTED
    if value is None or isinstance(value, bool | int | float):
        return REDACTED if _clean(str(value)) != str(value) else value
    if isinstance(value, Mapping):
        return {_clean(str(inner)): _redacted(str(inner), each) for inner, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_redacted("", each) for each in value]
    return _clean(value if isinstance(value, str) else repr(value))


def _clean(text: str) -> str:
    return _PERSONAL_TEXT.sub(REDACTED, text)


class RedactedSpans(SpanExporter):
    """Exports spans with their texts redacted, and of an exception its kind only (its trace stands in the log)."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        return self._exporter.export([_redacted_span(span) for span in spans])

    def shutdown(self) -> None:
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._exporter.force_flush(timeout_millis)


_TOLD_BY_EXCEPTIONS = ("exception.message", "exception.stacktrace")


def _redacted_span(span: ReadableSpan) -> ReadableSpan:
    return ReadableSpan(
        name=_clean(span.name),
        context=span.context,
        parent=span.parent,
        resource=span.resource,
        attributes=_redacted_attributes(span.attributes),
        events=[Event(event.name, _redacted_attributes(event.attributes), event.timestamp) for event in span.events],
        links=span.links,
        kind=span.kind,
        status=Status(span.status.status_code),
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )


def _redacted_attributes(attributes: Mapping[str, Any] | None) -> dict[str, Any]:
    return {
        key: _clean(value) if isinstance(value, str) else value
        for key, value in (attributes or {}).items()
        if key not in _TOLD_BY_EXCEPTIONS
    }
