"""Logs tell what went wrong, and nothing about a person."""

from __future__ import annotations

import io
import json
import logging
import sys
from collections.abc import Callable
from typing import Any

import psycopg
import pydantic
import pytest
import structlog
from opentelemetry.context import Context
from opentelemetry.metrics import Observation
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from sqlalchemy.exc import IntegrityError

from chassis import telemetry
from chassis.redaction import REDACTED, RedactedSpans, error_text, name_exception, redact
from chassis.telemetry import (
    LINKS_MAX,
    CausedSampler,
    Figures,
    caused_span,
    context_of,
    links_of,
    start_logging,
)

NAME, SYMPTOMS = "张三", "咳嗽"
TOKEN = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJ4In0.c2ln"


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[dict[str, Any]]]:
    """What was written to standard error since the test began, by line."""
    written = io.StringIO()
    monkeypatch.setattr(sys, "stderr", written)
    logging.getLogger().handlers.clear()
    start_logging("INFO")
    return lambda: [json.loads(line) for line in written.getvalue().splitlines()]


@pytest.mark.parametrize(
    "text",
    [
        "440103199001011234",
        "44010319900101123X",
        "440103900101123",
        "证件号440103199001011234不符",
        "13800138000",
        "电话13800138000。",
        "+8613800138000",
        "138-0013-8000",
        "E12345678",
        "H1234567890",
        TOKEN,
        "Bearer " + TOKEN,
        "postgresql://guanka:geheim@db/codes",
        "1 validation error\n  Input should be valid [type=x, input_value='张三', input_type=str]",
        "duplicate key\nDETAIL:  Key (owner)=(张三) already exists.",
        "INSERT …\n[parameters: {'a': '张三'}]",
    ],
)
def test_what_looks_like_a_person_or_a_secret_is_replaced_in_any_text(text: str) -> None:
    said = str(redact(None, "info", {"event": text, "detail": [text, {"deep": (text,)}], "number_of": 1}))
    assert REDACTED in said
    for secret in ("4401039", "4401031", "1380013", "138-0013", "12345678", "eyJ", "geheim", "张三"):
        assert secret not in said


PERSONAL = (
    "name|full_name|name_masked|names|phone|mobile|email|document|document_number|id_card|passport|birth_date|address|"
    "person_ref|plate|pass|token|password|credential|temperature_c"
)


@pytest.mark.parametrize("key", PERSONAL.split("|"))
def test_a_field_that_is_about_a_person_is_replaced_whatever_it_holds(key: str) -> None:
    assert redact(None, "info", {key: "x"}) == {key: REDACTED}
    assert redact(None, "info", {"deep": [{key: {"x": 1}}]}) == {"deep": [{key: REDACTED}]}


def test_what_is_not_about_a_person_stays() -> None:
    said = {
        "event": "a message was put aside",
        "topic": "ledger.events.v1",
        "offset": 1_234_567,
        "place": "codes.events.v1[3]",
        "id": "0190a3f0-7e4b-7cc0-8000-13800138000a",
        "at": "2022-06-28T08:00:00.123456+00:00",
        "is_late": True,
        "area": "440103001002",
    }
    assert redact(None, "info", said) == said


def test_numbers_bytes_and_objects_are_looked_into_as_well() -> None:
    class Visitor:
        def __repr__(self) -> str:
            return "Visitor(13800138000)"

    given = {"a": 13800138000, "b": b"13800138000", "c": Visitor(), "d": {13800138000}, "e": ValueError("13800138000")}
    assert "13800138000" not in str(redact(None, "info", given))


def test_an_exception_is_logged_with_its_path_but_not_with_the_row_it_quotes(
    logged: Callable[[], list[dict[str, Any]]],
) -> None:
    class Declaration(pydantic.BaseModel):
        symptoms: int

    log = structlog.get_logger("test")
    try:
        try:
            Declaration.model_validate({"symptoms": SYMPTOMS})
        except pydantic.ValidationError as error:
            raise RuntimeError(f"the declaration could not be read\n{NAME}") from error
    except RuntimeError as error:
        log.error("unexpected error", exc_info=error)
        log.error("unexpected error", exc_info=True)
        logging.getLogger("uvicorn.error").error("Exception in ASGI application", exc_info=error)
    lines = logged()
    assert len(lines) == 3
    for line in lines:
        assert "test_an_exception_is_logged" in line["exception"]
        assert "RuntimeError: the declaration could not be read" in line["exception"]
        assert "ValidationError: 1 validation error for Declaration" in line["exception"]
        assert NAME not in str(line)
        assert SYMPTOMS not in str(line)


def test_an_exception_that_is_its_own_context_ends() -> None:
    one, other = ValueError("one"), ValueError("other")
    one.__context__, other.__context__ = other, one
    assert "other" in name_exception(None, "error", {"exc_info": one})["exception"]


def test_the_text_of_a_database_error_is_its_first_line_without_the_row() -> None:
    original = psycopg.errors.UniqueViolation('duplicate key "entry_pkey"\nDETAIL:  Key (name)=(张三) exists.')
    assert error_text(IntegrityError("INSERT", {"name": "张三"}, original)) == (
        'IntegrityError: duplicate key "entry_pkey"'
    )
    assert error_text(ValueError("13800138000 is not valid")) == f"ValueError: {REDACTED} is not valid"
    assert error_text(KeyError()) == "KeyError: "


def test_logs_of_libraries_are_redacted_too(logged: Callable[[], list[dict[str, Any]]]) -> None:
    logging.getLogger("some.library").warning("refused %s", TOKEN)
    assert logged()[0]["event"] == f"refused {REDACTED}"


def test_a_span_leaves_the_process_without_what_its_exception_said() -> None:
    exported, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(RedactedSpans(exported)))

    def fail() -> None:
        with provider.get_tracer("test").start_as_current_span("find", attributes={"url.query": f"q={TOKEN}", "n": 1}):
            raise ValueError(NAME)

    with pytest.raises(ValueError, match=NAME):
        fail()
    (span,) = exported.get_finished_spans()
    assert NAME not in span.to_json()
    assert dict(span.attributes or {}) == {"url.query": f"q={REDACTED}", "n": 1}
    assert [dict(event.attributes or {}) for event in span.events] == [
        {"exception.type": "ValueError", "exception.escaped": "False"}
    ]
    assert not span.status.is_ok


def test_a_message_without_a_trace_starts_a_new_one() -> None:
    assert context_of("") is None
    assert context_of("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01") is not None


def test_figures_are_told_until_the_next_look_and_not_when_there_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    reader = InMemoryMetricReader()
    monkeypatch.setattr(telemetry, "meter", MeterProvider([reader]).get_meter("test"))

    def told() -> dict[str, Any]:
        data = reader.get_metrics_data()
        found = [] if data is None else json.loads(data.to_json())["resource_metrics"][0]["scope_metrics"]
        points = [point for scope in found for metric in scope["metrics"] for point in metric["data"]["data_points"]]
        return {point["attributes"]["topic"]: point["value"] for point in points}

    lag = Figures("lag", "records behind, by topic")
    assert told() == {}
    lag.last = [Observation(2, {"topic": "a"}), Observation(0, {"topic": "b"})]
    assert told() == told() == {"a": 2, "b": 0}
    lag.last = [Observation(1, {"topic": "b"})]
    assert told() == {"b": 1}
    lag.last = ()
    assert told() == {}


def sampled(provider: TracerProvider, name: str = "x", **started: Any) -> bool:
    return provider.get_tracer("test").start_span(name, **started).get_span_context().trace_flags.sampled


def test_what_a_recorded_span_caused_is_recorded_by_link_too_and_probes_never_are() -> None:
    provider = TracerProvider(sampler=CausedSampler(0.0))
    recorded = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    unrecorded = "00-4bf92f3577b34da6a3ce929d0e0e4737-00f067aa0ba902b7-00"
    assert sampled(provider, context=context_of(recorded))
    assert not sampled(provider, context=context_of(unrecorded))
    assert not sampled(provider)
    assert sampled(provider, links=links_of([unrecorded, recorded]), context=Context())
    assert links_of([unrecorded, "", "nonsense", recorded[:-1]]) == []
    for path in ("/readyz", "/livez", "/metrics"):
        probe = {"url.path": path}
        assert not sampled(TracerProvider(sampler=CausedSampler(1.0)), attributes=probe)
        assert not sampled(provider, attributes=probe, context=context_of(recorded))
    assert sampled(TracerProvider(sampler=CausedSampler(1.0)), attributes={"url.path": "/v1/readyz"})


def test_work_of_one_cause_is_its_child_and_of_several_is_linked_to_each() -> None:
    provider = TracerProvider(sampler=CausedSampler(0.0), span_limits=SpanLimits(max_links=LINKS_MAX))
    tracer = provider.get_tracer("test")
    causes = [f"00-4bf92f3577b34da6a3ce929d0e0e{n:04x}-00f067aa0ba902b7-01" for n in range(300)]
    with caused_span(tracer, "one", [causes[0], "", causes[0]]) as one:
        assert one.parent is not None
        assert one.get_span_context().trace_id == one.parent.trace_id
        assert one.links == ()
    with tracer.start_as_current_span("other"), caused_span(tracer, "many", causes) as many:
        assert many.parent is None
        assert [link.context.trace_id & 0xFFFF for link in many.links] == list(range(300))
    with caused_span(tracer, "none", []) as none:
        assert not none.is_recording()
