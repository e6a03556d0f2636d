"""Telemetry: OpenTelemetry traces and metrics, structured logs; none of them may carry a person.

Metrics are read at `/metrics` (Prometheus). Traces go to `OTLP_ENDPOINT` when it is set, and their context travels in
Kafka headers (W3C) either way.
"""

from __future__ import annotations

import logging
import re
import sys
import traceback
from collections.abc import Iterator, Mapping, MutableMapping
from typing import Any

import structlog
from opentelemetry import metrics, propagate, trace
from opentelemetry.context import Context
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased

meter = metrics.get_meter("guanka")

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


def start_telemetry(service: str, *, log_level: str, otlp_endpoint: str | None, sample_ratio: float = 0.05) -> None:
    """Set the process's providers and logging. Called once, from a composition root."""
    from opentelemetry.exporter.prometheus import PrometheusMetricReader

    resource = Resource.create({"service.name": service})
    metrics.set_meter_provider(MeterProvider([PrometheusMetricReader()], resource=resource))
    provider = TracerProvider(sampler=ParentBased(TraceIdRatioBased(sample_ratio)), resource=resource)
    if otlp_endpoint:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=otlp_endpoint)))
    trace.set_tracer_provider(provider)
    start_logging(log_level)


def start_logging(level: str) -> None:
    """Structured logs on standard error, one JSON object a line, redacted."""
    structlog.configure(
        processors=[
            structlog.stdlib.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            name_exception,
            redact,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                redact,
                structlog.processors.JSONRenderer(ensure_ascii=False),
            ],
            foreign_pre_chain=[
                structlog.stdlib.add_log_level,
                structlog.processors.TimeStamper(fmt="iso", utc=True),
                name_exception,
            ],
        )
    )
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for chatty in ("uvicorn.access", "kafka", "httpx", "httpcore", "alembic"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


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


def context_of(traceparent: str) -> Context | None:
    """The trace context that a message carries; None starts a new trace."""
    return propagate.extract({"traceparent": traceparent}) if traceparent else None
