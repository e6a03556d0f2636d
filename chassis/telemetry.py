"""Telemetry: OpenTelemetry traces and metrics, structured logs; none of them may carry a person.

Metrics are read at `/metrics` (Prometheus). Traces go to `OTLP_ENDPOINT` when it is set, and their context travels in
Kafka headers (W3C) either way.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable, Sequence
from itertools import islice

import structlog
from opentelemetry import metrics, propagate, trace
from opentelemetry.context import Context
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import Link

from chassis.redaction import RedactedSpans, name_exception, redact

meter = metrics.get_meter("guanka")
LINKS_MAX = 64
"""A batch may have two thousand causes; a span with all of them would be larger than the batch."""


class Figures:
    """A gauge of what was seen at the last look, for what costs too much to look at while somebody reads the metrics.

    What could not be seen is to have no figures, and then none are told: old ones would say that all is well.
    """

    def __init__(self, name: str, description: str) -> None:
        self.last: Sequence[Observation] = ()
        meter.create_observable_gauge(name, [self._observe], description=description)

    def _observe(self, _options: CallbackOptions) -> Sequence[Observation]:
        return self.last


def start_telemetry(service: str, *, log_level: str, otlp_endpoint: str | None, sample_ratio: float = 0.05) -> None:
    """Set the process's providers and logging. Called once, from a composition root."""
    from opentelemetry.exporter.prometheus import PrometheusMetricReader

    resource = Resource.create({"service.name": service})
    metrics.set_meter_provider(MeterProvider([PrometheusMetricReader()], resource=resource))
    provider = TracerProvider(sampler=ParentBased(TraceIdRatioBased(sample_ratio)), resource=resource)
    if otlp_endpoint:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        provider.add_span_processor(BatchSpanProcessor(RedactedSpans(OTLPSpanExporter(endpoint=otlp_endpoint))))
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


def links_of(traceparents: Iterable[str]) -> list[Link]:
    """Links to the traces that messages carry, at most `LINKS_MAX`: what one span does for many causes."""
    spans = (trace.get_current_span(context_of(each)).get_span_context() for each in islice(traceparents, LINKS_MAX))
    return [Link(span) for span in spans if span.is_valid]


def context_of(traceparent: str) -> Context | None:
    """The trace context that a message carries; None starts a new trace."""
    return propagate.extract({"traceparent": traceparent}) if traceparent else None
