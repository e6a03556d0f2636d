"""Telemetry: OpenTelemetry traces and metrics, structured logs; none of them may carry a person.

Metrics are read at `/metrics` (Prometheus). Traces go to `OTLP_ENDPOINT` when it is set, and their context travels in
Kafka headers (W3C) either way.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Mapping
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
    r"name_zh|given_name|full_name|(^|_)name$|phone|document|number|address|birth|token|authorization|password|secret|"
    r"person|plate|pass$|credential|symptom|temperature",
    re.IGNORECASE,
)
_PERSONAL_TEXT = re.compile(
    r"eyJ[\w-]+\.[\w-]+\.[\w-]*"  # a compact JWS
    r"|\b\d{15}(?:\d{2}[\dXx])?\b"  # a resident identity number (GB 11643)
    r"|\b1[3-9]\d{9}\b"  # a mobile telephone number
    r"|postgresql://[^\s@/]*@"  # a database password
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
            structlog.processors.format_exc_info,
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
                structlog.processors.format_exc_info,
            ],
        )
    )
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for chatty in ("uvicorn.access", "kafka", "httpx", "httpcore", "alembic"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


def redact(_logger: Any, _method: str, event: Mapping[str, Any]) -> Mapping[str, Any]:
    """A structlog processor: whatever looks like a person, a pass or a password is replaced, however deep it sits."""
    return {key: _redacted(key, value) for key, value in event.items()}


def _redacted(key: str, value: Any) -> Any:
    if key != "event" and _PERSONAL_KEYS.search(key):
        return REDACTED
    if isinstance(value, str):
        return _PERSONAL_TEXT.sub(REDACTED, value)
    if isinstance(value, Mapping):
        return {str(inner): _redacted(str(inner), each) for inner, each in value.items()}
    if isinstance(value, list | tuple):
        return [_redacted("", each) for each in value]
    return value


def context_of(traceparent: str) -> Context | None:
    """The trace context that a message carries; None starts a new trace."""
    return propagate.extract({"traceparent": traceparent}) if traceparent else None
