"""What a row of the outbox carries besides the event."""

from __future__ import annotations

from datetime import UTC, datetime

import orjson
import pytest
from opentelemetry import baggage, context
from opentelemetry.sdk.trace import TracerProvider

from chassis.outbox import Event, header_columns, trace_headers

NOON = datetime(2022, 6, 28, 12, tzinfo=UTC)


def test_the_trace_goes_along_and_whatever_a_caller_put_into_its_baggage_stays() -> None:
    token = context.attach(baggage.set_baggage("name", "x"))
    try:
        assert trace_headers() == {}
        with TracerProvider().get_tracer("test").start_as_current_span("confirm case"):
            assert list(trace_headers()) == ["traceparent"]
    finally:
        context.detach(token)


def test_the_time_of_an_event_is_written_with_its_offset() -> None:
    assert orjson.loads(orjson.dumps(header_columns("case/a", 3, NOON, "440103"))) == {
        "ce_subject": "case/a",
        "ce_revision": "3",
        "ce_time": "2022-06-28T12:00:00+00:00",
        "ce_district": "440103",
    }


@pytest.mark.parametrize(("revision", "at"), [(0, NOON), (-1, NOON), (1, NOON.replace(tzinfo=None))])
def test_an_event_that_no_consumer_could_order_or_date_is_not_made(revision: int, at: datetime) -> None:
    with pytest.raises(ValueError, match="a revision from 1 on, and a time with an offset"):
        Event("test.CaseConfirmed", "case", "a", "case/a", revision, at, b"")
