"""A message as a consumer takes it: a CloudEvent in Kafka's binary mode, and who handles which type of which topic."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from opentelemetry import trace
from opentelemetry.trace import SpanKind
from sqlalchemy import Connection

from chassis.event_log import Received
from chassis.telemetry import caused_span

tracer = trace.get_tracer("guanka.consumer")


class MalformedMessage(Exception):
    """The record does not carry the CloudEvents headers it needs."""


@dataclass(frozen=True, slots=True)
class Message:
    """A CloudEvent as read; `payload` is protobuf, `revision` its subject's."""

    id: UUID
    source: str
    type: str
    subject: str
    revision: int
    time: str
    district: str
    key: str
    payload: bytes
    traceparent: str


Handler = Callable[[Connection, Sequence[Message]], None]
"""Applies messages of one type, in order, in the caller's transaction."""


@dataclass(frozen=True, slots=True)
class each:  # noqa: N801 (it is used like a function)
    """A handler that takes its messages one by one, each inside the trace that caused it."""

    handle: Callable[[Connection, Message], None]

    def __call__(self, tx: Connection, messages: Sequence[Message]) -> None:
        for message in messages:
            with caused_span(tracer, f"process {message.type}", [message.traceparent], SpanKind.CONSUMER):
                self.handle(tx, message)


def handle_run(handler: Handler, tx: Connection, messages: Sequence[Message]) -> None:
    """Hand messages of one type to their handler; one that takes them together does so in one span, linked to all."""
    if isinstance(handler, each):
        handler(tx, messages)
        return
    causes = (message.traceparent for message in messages)
    with caused_span(tracer, f"process {messages[0].type}", causes, SpanKind.CONSUMER) as span:
        span.set_attribute("messaging.batch.message_count", len(messages))
        handler(tx, messages)


@dataclass(frozen=True, slots=True)
class Subscription:
    """What a service takes from a topic; other types on it are passed over.

    `has_revisions` False leaves the revision check out, for topics whose subjects have one event each (scans).
    """

    topic: str
    handlers: Mapping[str, Handler]
    has_revisions: bool = True


def message_of(record: Received) -> Message:
    """Read the CloudEvents headers. Raises `MalformedMessage`, which puts the record aside."""
    headers = _first_values(record)
    try:
        return Message(
            id=UUID(_text(headers.get("ce_id"), "ce_id")),
            source=_text(headers.get("ce_source"), "ce_source"),
            type=_text(headers.get("ce_type"), "ce_type"),
            subject=_text(headers.get("ce_subject"), "ce_subject"),
            revision=_revision(_text(headers.get("ce_revision"), "ce_revision")),
            time=_text(headers.get("ce_time"), "ce_time"),
            district=_text(headers.get("ce_district"), "ce_district", ""),
            key=record.key,
            payload=record.value,
            traceparent=_text(headers.get("traceparent"), "traceparent", ""),
        )
    except (ValueError, AttributeError) as error:
        raise MalformedMessage(f"{type(error).__name__} in the CloudEvents headers") from None


def _first_values(record: Received) -> dict[str, bytes]:
    """The headers by name; of two with one name the first counts."""
    return dict(reversed(record.headers))


def attribute(record: Received, name: str, absent: str | None = None) -> str:
    """The text of a header. Raises `MalformedMessage` when it is missing (and nothing stands for that) or no text."""
    return _text(record.header(name), name, absent)


def _text(value: bytes | None, name: str, absent: str | None = None) -> str:
    if value is None and absent is not None:
        return absent
    if value is None:
        raise MalformedMessage(f"the header {name} is missing")
    try:
        text = value.decode()
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise MalformedMessage(f"the header {name} is not text")
    return text


def _revision(text: str) -> int:
    revision = int(text)
    if not 1 <= revision < 1 << 63:
        raise ValueError
    return revision
