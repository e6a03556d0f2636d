"""Telemetry: OpenTelemetry traces and metrics, structured logs; none of them may carry a person.

Metrics are read at `/metrics` (Prometheus). Traces go to `OTLP_ENDPOINT` when it is set, and their context travels in
Kafka headers (W3C) either way.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice

import structlog
from opentelemetry import metrics, propagate, trace
from opentelemetry.context import Context
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanLimits, TracerProvider
from opentelemetry.sdk.trace.sampling import Decision, ParentBased, Sampler, SamplingResult, TraceIdRatioBased
from opentelemetry.trace import Link, Span, SpanKind, Tracer, TraceState
from opentelemetry.util.types import Attributes

from chassis.redaction import RedactedSpans, name_exception, redact

meter = metrics.get_meter("guanka")
LINKS_MAX = 500
"""A consumer's batch is no larger. Only causes that are recorded are linked: the others lead nowhere."""
_TRACEPARENT_CHARACTERS = 55
PROBES = frozenset(["/livez", "/readyz", "/metrics"])
"""Asked every few seconds by who watches a process; a trace of it tells nothing."""


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
    provider = TracerProvider(
        sampler=CausedSampler(sample_ratio), resource=resource, span_limits=SpanLimits(max_links=LINKS_MAX)
    )
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


class CausedSampler(Sampler):
    """Records what a recorded span caused, as its child or by a link; of all else one in so many, of probes none.

    A batch's span has no parent: sampled by chance, it would cut nearly every trace at the first consumer.
    """

    def __init__(self, ratio: float) -> None:
        self._by_chance = ParentBased(TraceIdRatioBased(ratio))

    def should_sample(
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        if attributes and attributes.get("url.path") in PROBES:
            return SamplingResult(Decision.DROP)
        if any(link.context.trace_flags.sampled for link in links or ()):
            return SamplingResult(Decision.RECORD_AND_SAMPLE, attributes)
        return self._by_chance.should_sample(parent_context, trace_id, name, kind, attributes, links, trace_state)

    def get_description(self) -> str:
        return "CausedSampler"


@contextmanager
def caused_span(
    tracer: Tracer, name: str, traceparents: Iterable[str], kind: SpanKind = SpanKind.INTERNAL
) -> Iterator[Span]:
    """A span for what many messages cause together, around the work.

    With one cause it is that cause's child. With several it begins a trace of its own and links to each: so a trace id
    leads on by links, wherever a batch put messages together.
    """
    causes = list(dict.fromkeys(each for each in traceparents if each))
    context = context_of(causes[0]) if len(causes) == 1 else Context()
    links = links_of(causes) if len(causes) > 1 else ()
    with tracer.start_as_current_span(name, context=context, links=links, kind=kind) as span:
        yield span


def links_of(traceparents: Iterable[str]) -> list[Link]:
    """Links to the recorded spans that messages carry, at most `LINKS_MAX`."""
    recorded = islice(filter(is_recorded, traceparents), LINKS_MAX)
    spans = (trace.get_current_span(context_of(each)).get_span_context() for each in recorded)
    return [Link(span) for span in spans if span.is_valid]


def is_recorded(traceparent: str) -> bool:
    """Whether the span that a message carries is recorded somewhere (W3C trace context, the flag `sampled`)."""
    return len(traceparent) >= _TRACEPARENT_CHARACTERS and traceparent[_TRACEPARENT_CHARACTERS - 1] in "13579bdf"


def context_of(traceparent: str) -> Context | None:
    """The trace context that a message carries; None starts a new trace."""
    return propagate.extract({"traceparent": traceparent}) if traceparent else None
