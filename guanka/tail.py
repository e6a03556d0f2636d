"""`guanka tail`: events of the running product as JSON lines, decoded by the words in `proto/`."""

from __future__ import annotations

import json
import sys
from importlib import import_module
from typing import Any

from google.protobuf import descriptor_pool, json_format, message_factory

from chassis.event_log import EventLog, Place, Received
from chassis.event_log.opening import open_event_log
from chassis.settings import EventLogSettings, read_settings
from guanka.home import Home
from guanka.installation import Installation, service_environment

TOPICS = (
    "codes.events.v1", "codes.standings.v1", "checkpoints.scans.v1", "checkpoints.events.v1",
    "checkpoints.traces.v1", "ledger.events.v1",
)  # fmt: skip


def open_running_log(home: Home) -> EventLog:
    """The event log of the running product. Raises `NotRunning`."""
    home.running()
    return open_event_log(read_settings(EventLogSettings, service_environment(home, "codes")), client_id="guanka-tail")


def run(installation: Installation, *, topics: list[str], from_start: bool, follow: bool) -> None:
    """Print until the end of the log, or for ever with `follow`."""
    event_log = open_event_log(installation.event_log, client_id="guanka-tail")
    places: dict[Place, int] = {
        (topic, partition): start if from_start else end
        for topic in topics or TOPICS
        for partition, (start, end) in event_log.bounds(topic).items()
    }
    reader = event_log.reader("guanka-tail")
    reader.seek(places)
    try:
        while records := reader.poll(wait_s=1.0, records_max=1000) or follow:
            for record in records if isinstance(records, list) else []:
                print(json.dumps(described(record), ensure_ascii=False), flush=True)
    except (KeyboardInterrupt, BrokenPipeError):
        sys.stderr.close()
    finally:
        reader.close()
        event_log.close()


def described(record: Received) -> dict[str, Any]:
    """A record as its CloudEvents attributes and its decoded data."""
    attributes = {name.removeprefix("ce_"): value.decode() for name, value in record.headers if name != "content-type"}
    return {
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "key": record.key,
        **attributes,
        "data": decoded(attributes.get("type", ""), record.value),
    }


def decoded(kind: str, payload: bytes) -> dict[str, Any]:
    """The protobuf message `kind` (full name) as a dictionary with the field names of `proto/`."""
    for service in ("codes", "checkpoints", "ledger"):
        import_module(f"wire.{service}.v1.events_pb2")
    message = descriptor_pool.Default().FindMessageTypeByName(kind)
    parsed = message_factory.GetMessageClass(message).FromString(payload)
    return json_format.MessageToDict(parsed, preserving_proto_field_name=True)
