"""One trace id leads, by links, from the order that opens a case to the board that stops its contacts."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from fastapi.testclient import TestClient
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from chassis.clock import utc_now
from chassis.consumer import Consumer
from chassis.database import Database
from chassis.event_log.local import LocalEventLog
from chassis.ids import uuid7
from chassis.relay import Relay
from chassis.telemetry import LINKS_MAX
from services.checkpoints import messages as checkpoints_messages
from services.checkpoints.codes_client import CodesClient
from services.checkpoints.main import compose_api, compose_worker
from services.checkpoints.settings import CheckpointsSettings
from services.codes import messages as codes_messages
from services.codes.api import build
from services.codes.main import desk_of, office_of
from services.codes.settings import CodesSettings
from services.ledger import messages as ledger_messages
from services.ledger.api import ledger_app
from services.ledger.main import compose
from services.ledger.settings import LedgerSettings
from tests.integration.checkpoints.town import POLICY_OFFICE, SHIPPED_POLICY, wait_for
from tests.integration.codes.city import ISSUER, ROOT, City, Issuer, write_keys

CASES = 20
NOON = datetime.now(UTC) - timedelta(hours=2)
Loop = Callable[[threading.Event], object]


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    """Everything that ends from now on; the process has one provider, whichever test made it."""
    provider = trace.get_tracer_provider()
    if not isinstance(provider, TracerProvider):
        provider = TracerProvider(span_limits=SpanLimits(max_links=LINKS_MAX))
        trace.set_tracer_provider(provider)
    exporter = InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    yield exporter
    exporter.shutdown()


@dataclass
class Town:
    city: City
    ledger: TestClient
    checkpoints: TestClient
    board: Any
    issuer: Issuer
    scans_url: str
    loops: Sequence[Loop]

    def meet(self, area: str) -> tuple[UUID, UUID]:
        """A case and a contact, both enrolled, who were at one mall a minute apart."""
        people = self.city.enrol(area=area), self.city.enrol(area=area)
        body = {"kind": "mall", "name": "A gate", "venue": str(uuid4()), "area": area}
        headers = self.issuer.headers("operator")
        mall = self.checkpoints.post("/v1/checkpoints", json=body, headers=headers).json()["checkpoint_id"]
        with psycopg.connect(self.scans_url, autocommit=True) as connection:
            for minutes, person in enumerate(people):
                at = NOON + timedelta(minutes=minutes)
                connection.execute(
                    "INSERT INTO scan (scan_id, checkpoint_id, scanned_at, recorded_at, person_ref, decision, colour, "
                    "policy_version, board_revision, is_self_reported, digest) "
                    "VALUES (%s, %s, %s, %s, %s, 'pass', 'green', 'default@1', 1, false, '')",
                    (uuid7(at), mall, at, at, person),
                )
        return people

    def confirm(self, person: UUID, area: str, trace_id: str) -> None:
        body = {
            "ledger": "confirmed",
            "person": {"person_ref": str(person)},
            "area": area,
            "facts": {"confirmed_at": datetime.now(UTC).isoformat()},
        }
        headers = self.issuer.headers("authority") | {"traceparent": f"00-{trace_id}-00f067aa0ba902b7-01"}
        assert self.ledger.post("/v1/entries", json=body, headers=headers).status_code == 201


@pytest.fixture
def town(migrated: Callable[[str], str], fresh_database: str, tmp_path: Path) -> Iterator[Town]:
    issuer = Issuer()
    write_keys(tmp_path, issuer)
    (tmp_path / "service.token").write_text(issuer.headers("service")["Authorization"].removeprefix("Bearer "))
    (tmp_path / "policy.jwks.json").write_text(json.dumps(POLICY_OFFICE.jwks()))
    (tmp_path / "policy.jws").write_text(POLICY_OFFICE.sign(SHIPPED_POLICY))
    given: dict[str, Any] = {
        "event_log_url": f"local:{fresh_database}",
        "http_port": 0,
        "auth_issuer": ISSUER,
        "auth_jwks": str(tmp_path / "issuer.json"),
        "area_file": ROOT / "data" / "guangzhou" / "areas.csv",
        "city_key_file": tmp_path / "city.key",
        "data_keys_file": tmp_path / "data.json",
        "otlp_endpoint": "http://127.0.0.1:9/v1/traces",  # so that requests are traced; nothing is sent from here
    }
    uri = "https://guanka.example/s"
    codes = CodesSettings(
        **given, database_url=migrated("codes"), signing_keys_file=tmp_path / "signing.json", status_list_uri=uri
    )
    checkpoints = CheckpointsSettings(
        **given, database_url=migrated("checkpoints"), service_token_file=tmp_path / "service.token",
        policy_file=tmp_path / "policy.jws", policy_keys_file=tmp_path / "policy.jwks.json",
        codes_url="https://testserver", status_list_uri=uri,
    )  # fmt: skip
    ledger = LedgerSettings(**given, database_url=migrated("ledger"))
    with ExitStack() as stack:
        yield _composed(stack, issuer, codes, checkpoints, ledger, LocalEventLog(fresh_database))


def _composed(
    stack: ExitStack,
    issuer: Issuer,
    codes: CodesSettings,
    checkpoints: CheckpointsSettings,
    ledger: LedgerSettings,
    log: LocalEventLog,
) -> Town:
    stack.callback(log.close)
    log.declare([*codes_messages.OWN_TOPICS, *checkpoints_messages.DECLARED, *ledger_messages.DECLARED])
    codes_database = Database(codes.database_url)
    stack.callback(codes_database.close)
    codes_client = stack.enter_context(TestClient(build(codes, desk_of(codes, codes_database))))
    asking = CodesClient("http://testserver", checkpoints.service_token_file, transport=codes_client._transport)
    api = compose_api(checkpoints, codes=asking, event_log=log)
    checkpoints_client = stack.enter_context(TestClient(api.scan_routes))
    worker = compose_worker(checkpoints, codes=asking, event_log=log)
    stack.callback(worker.database.close)
    parts = compose(ledger)
    stack.callback(parts.database.close)
    ledger_client = stack.enter_context(TestClient(ledger_app(ledger, parts)))
    consumers = (
        Consumer(
            parts.database, log, group="ledger",
            subscriptions=ledger_messages.subscriptions(parts.city, parts.open_book, utc_now),
        ),
        Consumer(
            codes_database, log, group="codes", subscriptions=codes_messages.subscriptions(office_of(codes), utc_now)
        ),
    )  # fmt: skip
    relays = (
        Relay(ledger.database_url, log, source=ledger_messages.SOURCE, topics=ledger_messages.TOPICS),
        Relay(codes.database_url, log, source=codes_messages.SOURCE, topics=codes_messages.TOPICS),
    )
    loops = [worker.loops["relay"], worker.loops["consumer"], *(each.run for each in (*consumers, *relays))]
    town = Town(City(codes_client, issuer), ledger_client, checkpoints_client, api.board, issuer, "", loops)
    town.scans_url = checkpoints.database_url
    wait_for(lambda: api.board.is_complete)
    return town


@contextmanager
def running(loops: Sequence[Loop]) -> Iterator[None]:
    stop = threading.Event()
    threads = [threading.Thread(target=loop, args=(stop,), daemon=True) for loop in loops]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join(timeout=10)


def led_to(spans: Sequence[ReadableSpan], trace_id: int) -> set[str]:
    """The names of the spans of a trace, and of every trace that a link leads to from it."""
    reached, grows = {trace_id}, True
    while grows:
        linked = {span.context.trace_id for span in spans for link in span.links if link.context.trace_id in reached}
        grows, reached = not linked <= reached, reached | linked
    return {span.name for span in spans if span.context.trace_id in reached}


def test_of_twenty_cases_at_once_every_trace_leads_to_the_board(town: Town, spans: InMemorySpanExporter) -> None:
    area = "440103001"
    met = [town.meet(area) for _ in range(CASES)]
    wanted = [f"{n:032x}" for n in range(0xABC000, 0xABC000 + CASES)]
    for (case, _), trace_id in zip(met, wanted, strict=True):
        town.confirm(case, area, trace_id)
    refs = {str(contact) for _, contact in met}

    def all_red() -> bool:
        codes = [town.city.code(UUID(ref))["colour"] for ref in refs]
        return codes == ["red"] * CASES

    def board_has_all() -> bool:
        found = spans.get_finished_spans()
        return all("board takes standings" in led_to(found, int(each, 16)) for each in wanted)

    with running(town.loops):
        wait_for(all_red, deadline_s=60)
        wait_for(board_has_all, deadline_s=20)
    found = spans.get_finished_spans()
    steps = {
        "POST /v1/entries",
        "relay",
        "process guanka.ledger.v1.TraceRequested",
        "process guanka.checkpoints.v1.ContactsTraced",
        "process guanka.ledger.v1.EvidenceFound",
        "board takes standings",
    }
    for each in wanted:
        assert steps <= led_to(found, int(each, 16))
    evidence = [span for span in found if span.name == "process guanka.ledger.v1.EvidenceFound"]
    assert any(len(span.links) > 1 for span in evidence), "batches there were, and each is linked to all its causes"


def test_no_probe_leaves_a_span(town: Town, spans: InMemorySpanExporter) -> None:
    """They were a quarter of all spans; the sampler of start_telemetry passes over them."""
    from chassis.telemetry import CausedSampler

    sampler = CausedSampler(1.0)
    for client in (town.ledger, town.checkpoints, town.city.client):
        for path in ("/livez", "/readyz", "/metrics"):
            assert client.get(path).status_code in (200, 503)
    asked = [span for span in spans.get_finished_spans() if (span.attributes or {}).get("url.path")]
    assert asked, "FastAPI says which path it traces, before the sampler decides"
    for span in asked:
        result = sampler.should_sample(None, span.context.trace_id, span.name, attributes=span.attributes)
        assert not result.decision.is_sampled()
