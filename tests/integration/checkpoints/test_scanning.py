"""Scans as gates send them: what is answered, what is recorded, what is told."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import httpx
import psycopg
import pytest
from fastapi.testclient import TestClient

from chassis.app import server
from chassis.auth import TokenReader
from chassis.ids import uuid7
from chassis.pseudonym import keyed_uuid
from services.checkpoints.directory import Directory
from services.checkpoints.domain.errors import StoreUnavailable
from services.checkpoints.main import compose_api
from tests.integration.checkpoints.town import CITY_KEY, GREEN, LAPSED, RED, YELLOW, Issuer, Key, ago, scan, wait_for
from tests.serving import serving
from wire.checkpoints.v1 import events_pb2 as wire


class OnItsConnection(httpx.Client):
    """A client of a real server, which takes a gate's scans from their connection once it has seen its token."""

    def post(self, url, **sent):
        if url == "/v1/scans":
            super().post(url, content=b"a word that makes the token known", headers=sent.get("headers"))
        return super().post(url, **sent)


@pytest.fixture(params=["through ASGI", "on its connection"])
def client(request, composed):
    """What is answered, recorded and told is the same on both ways."""
    if request.param == "through ASGI":
        with TestClient(composed.scan_routes) as opened:
            wait_for(lambda: composed.board.is_complete and composed.key_ring.has_keys())
            yield opened
        return
    with (
        serving(server(composed.scan_routes, host="127.0.0.1", port=0)) as (host, port),
        OnItsConnection(base_url=f"http://{host}:{port}", timeout=20) as opened,
    ):
        wait_for(lambda: composed.board.is_complete and composed.key_ring.has_keys())
        yield opened


COLOURS = [(GREEN, "pass", "green"), (YELLOW, "stop", "yellow"), (RED, "stop", "red"), (LAPSED, "check", "lapsed")]


@pytest.mark.parametrize(("colour", "decision", "name"), COLOURS)
def test_the_colour_on_the_board_decides_at_the_metro(
    client, register, gate, codes, person, colour, decision, name, sql
):
    place = register("metro")
    _, idx = person(colour)
    sent = scan(place, credential={"pass": codes.mint(idx)}, temperature_c=36.5, direction="in")

    answer = client.post("/v1/scans", json=sent, headers=gate(place))

    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert set(body) == {
        "scan_id",
        "decision",
        "colour",
        "refusal",
        "say",
        "policy_version",
        "board_revision",
        "recorded_at",
    }
    assert (body["scan_id"], body["decision"], body["colour"]) == (sent["scan_id"], decision, name)
    assert body["refusal"] is None
    assert all(body["say"][language] for language in ("zh", "en"))
    assert (body["policy_version"], body["board_revision"]) == ("default@1", codes.revision[1])
    assert sql("SELECT decision, colour, list, idx FROM scan") == [(decision, name, 1, idx)]
    [(kind, payload, headers)] = sql("SELECT type, payload, headers FROM outbox WHERE aggregatetype = 'scan'")
    told = wire.ScanRecorded.FromString(payload)
    assert kind == "guanka.checkpoints.v1.ScanRecorded"
    assert (told.scan_id, told.decision, told.colour, told.kind) == (sent["scan_id"], decision, name, "metro")
    assert (told.temperature_c, told.list, told.idx, told.direction) == (36.5, 1, idx, "in")
    assert headers["ce_district"] == "440103"
    assert headers["ce_subject"] == f"scan/{sent['scan_id']}"


def refused(codes, idx):
    """Passes that do not count, each with its refusal and the metro's decision."""
    forger = Key("shown-1", "pass+jwt")
    return {
        "expired": (codes.mint(idx, at=ago(minutes=3)), "pass_expired", "check"),
        "early": (codes.mint(idx, at=datetime.now(UTC) + timedelta(minutes=2)), "pass_not_yet_valid", "check"),
        "re-signed": (codes.mint(idx, key=forger), "pass_forged", "stop"),
        "unknown kid": (codes.mint(idx, headers={"kid": "other"}), "pass_forged", "stop"),
        "no token": ("hello", "pass_forged", "stop"),
        "too long": (codes.mint(idx, filler="x" * 300), "pass_forged", "stop"),
        "void": (codes.mint(codes.size + 5), "pass_void", "check"),
    }


def test_a_pass_that_does_not_count_is_recorded_like_an_admission(client, register, gate, codes, person, sql):
    place = register()
    _, idx = person(GREEN)
    for token, refusal, decision in refused(codes, idx).values():
        sent = scan(place, credential={"pass": token})
        answer = client.post("/v1/scans", json=sent, headers=gate(place))
        assert answer.status_code == 200
        assert (answer.json()["refusal"], answer.json()["decision"]) == (refusal, decision)
        assert answer.json()["colour"] == "unknown"
        kept = sql("SELECT refusal, decision, person_ref FROM scan WHERE scan_id = %s", sent["scan_id"])
        assert kept == [(refusal, decision, None)]


def test_a_fever_keeps_a_green_person_out(client, register, gate, codes, person):
    place = register()
    _, idx = person(GREEN)
    for temperature_c, refusal in ((37.2, None), (37.3, "fever"), (39.0, "fever")):
        sent = scan(place, credential={"pass": codes.mint(idx)}, temperature_c=temperature_c)
        body = client.post("/v1/scans", json=sent, headers=gate(place)).json()
        assert (body["refusal"], body["colour"]) == (refusal, "green")


def test_a_late_upload_is_judged_at_the_moment_of_the_scan(client, register, gate, codes, person, sql):
    place = register()
    _, idx = person(GREEN)
    at = ago(days=6, hours=23)
    sent = scan(place, at=at, credential={"pass": codes.mint(idx, at=at)})
    assert client.post("/v1/scans", json=sent, headers=gate(place)).json()["decision"] == "pass"
    assert sql("SELECT count(*) FROM scan") == [(1,)]


def test_a_repeat_gets_the_first_answer_although_the_colour_has_changed(
    client, composed, topic, register, gate, codes, person, sql
):
    place = register()
    _, idx = person(GREEN)
    sent = scan(place, credential={"pass": codes.mint(idx)})
    first = client.post("/v1/scans", json=sent, headers=gate(place)).json()
    topic.recolour(idx, RED)
    deadline = time.monotonic() + 5
    while composed.board.revisions()[1] != codes.revision[1] and time.monotonic() < deadline:
        time.sleep(0.01)
    assert client.post("/v1/scans", json=sent, headers=gate(place)).json() == first
    assert sql("SELECT count(*) FROM scan") == [(1,)]
    assert sql("SELECT count(*) FROM outbox WHERE aggregatetype = 'scan'") == [(1,)]


def test_the_same_id_with_other_content_is_a_conflict(client, register, gate, codes, person, sql):
    place = register()
    _, idx = person(GREEN)
    sent = scan(place, credential={"pass": codes.mint(idx)}, temperature_c=36.5)
    client.post("/v1/scans", json=sent, headers=gate(place))
    answer = client.post("/v1/scans", json=sent | {"temperature_c": 36.6}, headers=gate(place))
    assert (answer.status_code, answer.json()["code"]) == (409, "scan_id_reused")
    assert sql("SELECT count(*), min(temperature_c)::text FROM scan") == [(1, "36.5")]


# -- documents and vehicles --------------------------------------------------------------------------------------------

CARD = {"type": "resident_id", "country": "CN", "number": "440103198001010011"}
CARD_REF = keyed_uuid(bytes.fromhex(CITY_KEY), "resident_id", "CN", CARD["number"])


def test_a_card_finds_its_holders_colour(client, register, gate, person, sql, worker):
    place = register()
    _, idx = person(RED, person_ref=CARD_REF)
    sql("INSERT INTO holder VALUES (1, %s, %s)", idx, CARD_REF)
    body = client.post("/v1/scans", json=scan(place, credential={"document": CARD}), headers=gate(place)).json()
    assert (body["decision"], body["colour"], body["refusal"]) == ("stop", "red", None)
    assert sql("SELECT person_ref, idx FROM scan") == [(CARD_REF, idx)]


def test_a_card_of_nobody_known_is_checked_and_kept(client, register, gate, sql):
    place = register()
    body = client.post("/v1/scans", json=scan(place, credential={"document": CARD}), headers=gate(place)).json()
    assert (body["decision"], body["colour"], body["refusal"]) == ("check", "unknown", "unknown_person")
    assert sql("SELECT person_ref FROM scan") == [(CARD_REF,)]


def test_a_voided_index_of_a_card_does_not_count(client, register, gate, person, sql):
    place = register()
    _, old = person(LAPSED, person_ref=CARD_REF)
    _, new = person(GREEN, person_ref=CARD_REF)
    sql("INSERT INTO holder VALUES (1, %s, %s), (1, %s, %s)", old, CARD_REF, new, CARD_REF)
    body = client.post("/v1/scans", json=scan(place, credential={"document": CARD}), headers=gate(place)).json()
    assert (body["decision"], body["colour"]) == ("pass", "green")


def test_a_printed_pass_is_compared_with_the_card(client, register, gate, codes, person, sql):
    place = register()
    _, idx = person(GREEN, person_ref=CARD_REF)
    other_ref, other = person(GREEN)
    _, enrolled_just_now = person(GREEN)
    sql("INSERT INTO holder VALUES (1, %s, %s), (1, %s, %s)", idx, CARD_REF, other, other_ref)
    for index, refusal in ((idx, None), (other, "wrong_holder"), (enrolled_just_now, "unknown_person")):
        credential = {"pass": codes.mint(index, key=codes.printed), "document": CARD}
        body = client.post("/v1/scans", json=scan(place, credential=credential), headers=gate(place)).json()
        assert body["refusal"] == refusal
        assert body["decision"] == {"wrong_holder": "stop", "unknown_person": "check", None: "pass"}[refusal]


def test_the_fever_of_somebody_in_a_vehicle_is_his_own(client, register, gate, codes, person, sql):
    place = register("road")
    people = [
        {"scan_id": str(uuid7()), "credential": {"pass": codes.mint(person(GREEN)[1])}, **measured}
        for measured in ({"temperature_c": 36.5}, {"temperature_c": 38.5}, {"mask": False})
    ]
    sent = scan(place, credential={"plate": "粤A12345"}, people=people)
    body = client.post("/v1/scans", json=sent, headers=gate(place)).json()
    assert [each["refusal"] for each in body["people"]] == [None, "fever", "no_mask"]
    assert (body["decision"], body["refusal"]) == ("stop", "fever")
    hot = sql("SELECT scan_id::text FROM scan WHERE temperature_c >= 37.3")
    assert hot == [(people[1]["scan_id"],)]
    assert client.post("/v1/scans", json=sent, headers=gate(place)).json() == body
    cooler = [people[0], people[1] | {"temperature_c": 36.0}, people[2]]
    assert client.post("/v1/scans", json=sent | {"people": cooler}, headers=gate(place)).status_code == 409


def test_a_vehicle_has_one_record_each_and_one_answer(client, register, gate, codes, person, sql):
    place = register("road")
    indices = [person(colour)[1] for colour in (GREEN, RED, GREEN)]
    people = [{"scan_id": str(uuid7()), "credential": {"pass": codes.mint(idx)}} for idx in indices]
    sent = scan(place, credential={"plate": "粤A12345"}, people=people)
    body = client.post("/v1/scans", json=sent, headers=gate(place)).json()
    assert (body["decision"], body["colour"]) == ("stop", "red")
    assert [each["decision"] for each in body["people"]] == ["pass", "stop", "pass"]
    assert sql("SELECT count(*), count(DISTINCT vehicle_ref) FROM scan") == [(4, 1)]
    assert client.post("/v1/scans", json=sent, headers=gate(place)).json() == body
    changed = sent | {"people": people[:2]}
    assert client.post("/v1/scans", json=changed, headers=gate(place)).status_code == 409
    assert sql("SELECT count(*) FROM scan") == [(4,)]


def test_a_vehicle_with_somebody_whose_id_is_taken_leaves_nothing_behind(client, register, gate, codes, person, sql):
    place = register("road")
    token = codes.mint(person(GREEN)[1])
    taken = scan(place, credential={"pass": token})
    assert client.post("/v1/scans", json=taken, headers=gate(place)).status_code == 200
    shown = [codes.mint(person(GREEN)[1]) for _ in range(2)]
    ids = (str(uuid7()), taken["scan_id"])
    people = [{"scan_id": each, "credential": {"pass": token}} for each, token in zip(ids, shown, strict=True)]
    sent = scan(place, credential={"plate": "粤A12345"}, people=people)
    answer = client.post("/v1/scans", json=sent, headers=gate(place))
    assert (answer.status_code, answer.json()["code"]) == (409, "scan_id_reused")
    assert sql("SELECT scan_id::text FROM scan") == [(taken["scan_id"],)]
    mended = sent | {"people": [people[0], people[1] | {"scan_id": str(uuid7())}]}
    assert client.post("/v1/scans", json=mended, headers=gate(place)).json()["decision"] == "pass"


def test_a_batch_of_vehicles_waits_only_once_for_a_store_that_is_away(
    client, register, gate, codes, person, monkeypatch
):
    place = register("road")
    token, asked = codes.mint(person(GREEN)[1]), []

    async def away(self, scan_ids):
        asked.append(list(scan_ids))
        raise StoreUnavailable()

    def vehicle():
        people = [{"scan_id": str(uuid7()), "credential": {"pass": token}}]
        return scan(place, credential={"plate": "粤A12345"}, people=people)

    monkeypatch.setattr(Directory, "digests_of", away)
    scans = [vehicle(), vehicle(), scan(place, credential={"pass": token}), vehicle()]
    answer = client.post("/v1/scans/batch", json={"scans": scans}, headers=gate(place))
    results = answer.json()["results"]
    assert [each.get("decision") or each["problem"]["code"] for each in results] == [
        "store_unavailable", "store_unavailable", "pass", "store_unavailable",
    ]  # fmt: skip
    assert len(asked) == 1


# -- bad input ---------------------------------------------------------------------------------------------------------


BAD = [
    ("colour", {"colour": "green"}),
    ("temperature_c", {"temperature_c": "hot"}),
    ("temperature_c", {"temperature_c": 900}),
    ("credential", {"credential": {}}),
    ("scan_id", {"scan_id": "1"}),
    ("scanned_at", {"scanned_at": "2019-01-01T00:00:00Z"}),
    ("scanned_at", {"scanned_at": "2999-01-01T00:00:00Z"}),
    ("scanned_at", {"scanned_at": "2022-11-22T08:00:00"}),
]


def test_bad_input_names_the_field_and_records_nothing(client, register, gate, sql):
    place = register()
    for field, change in BAD:
        sent = scan(place, credential={"pass": "a.b.c"}) | change
        answer = client.post("/v1/scans", json=sent, headers=gate(place))
        assert answer.status_code == 422
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["errors"][0]["field"] == field
    assert sql("SELECT count(*) FROM scan") == [(0,)]


def test_a_body_that_is_no_object_is_refused(client, register, gate):
    headers = gate(register())
    for content in (b"", b"{", b"[]", b"null", b'"x"', b"\xff\xfe", b"[" * 5000):
        answer = client.post("/v1/scans", content=content, headers=headers)
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "body")


def test_a_body_over_the_limit_is_refused(client, register, gate, settings, sql):
    place = register()
    for body in (b" " * (settings.body_bytes_max + 1), iter([b" " * 600_000, b" " * 600_000])):
        answer = client.post("/v1/scans/batch", content=body, headers=gate(place))
        assert (answer.status_code, answer.json()["code"]) == (413, "content_too_large")
    assert sql("SELECT count(*) FROM scan") == [(0,)]


def test_who_may_scan(client, register, gate, issuer, sql):
    place, other = register(area="440103001"), register(area="440104001")
    sent = scan(place, credential={"pass": "a.b.c"})
    cases = [
        ({}, 401, "unauthenticated"),
        ({"Authorization": "Bearer x.y.z"}, 401, "unauthenticated"),
        (Issuer().headers("gate", checkpoints=[str(place)]), 401, "unauthenticated"),
        (issuer.headers("gate", checkpoints=[str(place)], lives_s=-10), 401, "token_expired"),
        (issuer.headers("operator"), 403, "role_missing"),
        (gate(), 403, "checkpoint_refused"),
        (gate(other), 403, "checkpoint_refused"),
        (gate(place, area="440104"), 403, "checkpoint_refused"),
        (gate(place, area=""), 403, "checkpoint_refused"),
    ]
    for headers, status, code in cases:
        answer = client.post("/v1/scans", json=sent, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert sql("SELECT count(*) FROM scan") == [(0,)]


def test_a_token_is_verified_once_a_minute_whichever_route_it_came_to_first(client, register, gate, monkeypatch):
    place, verified, at = register(), [], time.time()
    verify = TokenReader._verify
    monkeypatch.setattr(TokenReader, "_verify", lambda self, token: verified.append(token) or verify(self, token))
    headers = gate(place)
    assert client.get(f"/v1/bundle?checkpoint={place}", headers=headers).status_code == 200
    for after_s, times in ((0, 1), (59, 1), (61, 2), (62, 2)):
        monkeypatch.setattr(time, "time", lambda after_s=after_s: at + after_s)
        assert client.post("/v1/scans", json=scan(place, credential={}), headers=headers).status_code == 422
        assert len(verified) == times, after_s


def test_an_unknown_checkpoint_is_not_found(client, gate, sql):
    place = uuid7()
    answer = client.post("/v1/scans", json=scan(place, credential={"pass": "a.b.c"}), headers=gate(place))
    assert (answer.status_code, answer.json()["code"]) == (404, "checkpoint_not_found")
    assert sql("SELECT count(*) FROM scan") == [(0,)]


def test_only_post_is_taken(client):
    answer = client.get("/v1/scans")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


# -- batches -----------------------------------------------------------------------------------------------------------


def test_a_batch_is_answered_in_order_and_what_is_invalid_has_its_own_problem(
    client, register, gate, codes, person, sql
):
    place, foreign = register(), register()
    _, green = person(GREEN)
    _, red = person(RED)
    first = scan(place, credential={"pass": codes.mint(green)})
    scans = [
        first,
        scan(place, credential={"pass": codes.mint(red)}),
        scan(place, credential={}),
        scan(foreign, credential={"pass": codes.mint(green)}),
        first,
        first | {"temperature_c": 36.0},
        "nothing",
    ]
    answer = client.post("/v1/scans/batch", json={"scans": scans}, headers=gate(place))
    assert answer.status_code == 200
    results = answer.json()["results"]
    assert [each.get("decision") for each in results] == ["pass", "stop", None, None, "pass", None, None]
    problems = [each.get("problem", {}).get("code") for each in results]
    assert problems == [None, None, "invalid_request", "checkpoint_refused", None, "scan_id_reused", "invalid_request"]
    assert results[2]["problem"]["errors"][0]["field"] == "scans.2.credential"
    assert results[0] == results[4]
    assert sql("SELECT count(*) FROM scan") == [(2,)]


def test_a_batch_of_which_the_store_takes_nothing_is_not_answered_as_if_it_had(client, register, gate, sql):
    place = register()
    sql(
        "CREATE FUNCTION fail_all() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'a test''s own'; END $$"
    )
    sql("CREATE TRIGGER fail_all BEFORE INSERT ON scan FOR EACH ROW EXECUTE FUNCTION fail_all()")
    scans = [scan(place, credential={"pass": "a.b.c"}), scan(place, credential={})]
    answer = client.post("/v1/scans/batch", json={"scans": scans}, headers=gate(place))
    assert (answer.status_code, answer.json()["code"]) == (503, "store_unavailable")
    assert int(answer.headers["retry-after"]) >= 1


def test_a_batch_that_is_none_is_refused(client, register, gate):
    headers = gate(register())
    for body in ({}, {"scans": []}, {"scans": {}}, {"scans": [{}] * 1001}, {"scans": [], "x": 1}):
        answer = client.post("/v1/scans/batch", json=body, headers=headers)
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["field"] in ("scans", "x")


def test_a_batch_of_a_thousand_is_recorded(client, register, gate, codes, person, sql):
    place = register()
    _, idx = person(GREEN)
    token = codes.mint(idx)
    scans = [scan(place, credential={"pass": token}) for _ in range(1000)]
    results = client.post("/v1/scans/batch", json={"scans": scans}, headers=gate(place)).json()["results"]
    assert [each["scan_id"] for each in results] == [each["scan_id"] for each in scans]
    assert sql("SELECT count(*) FROM scan") == [(1000,)]
    assert sql("SELECT count(*) FROM outbox WHERE aggregatetype = 'scan'") == [(1000,)]


# -- what stands around the path ---------------------------------------------------------------------------------------


def test_the_scan_routes_are_documented(client):
    paths = client.get("/openapi.json").json()["paths"]
    assert "post" in paths["/v1/scans"]
    assert "post" in paths["/v1/scans/batch"]
    assert client.get("/metrics").status_code == 200
    assert client.get("/readyz").json()["ready"]


@pytest.mark.parametrize(("flags", "is_traced"), [("01", True), ("03", True), ("00", False), ("02", False)])
def test_a_trace_goes_on_in_the_event(client, register, gate, codes, sql, flags, is_traced):
    """The flag of a random trace id (W3C Trace Context 2) stands beside that of sampling."""
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider

    if not isinstance(trace.get_tracer_provider(), TracerProvider):
        trace.set_tracer_provider(TracerProvider())
    place = register()
    trace_id = "4bf92f3577b34da6a3ce929d0e0e4736"
    headers = gate(place) | {"traceparent": f"00-{trace_id}-00f067aa0ba902b7-{flags}"}
    client.post("/v1/scans", json=scan(place, credential={"pass": "x"}), headers=headers)
    client.post("/v1/scans", json=scan(place, credential={"pass": "x"}), headers=gate(place))
    told = [
        headers.get("traceparent", "") for (headers,) in sql("SELECT headers FROM outbox WHERE aggregatetype = 'scan'")
    ]
    assert [trace_id in each for each in told] == [is_traced, False]


def test_beyond_so_many_at_once_a_scan_is_refused_politely_and_the_others_are_recorded(
    settings, codes, topic, issuer, gate, sql
):
    composed = compose_api(settings.model_copy(update={"single_scans_max": 2}), codes=codes)
    with TestClient(composed.scan_routes) as client, psycopg.connect(settings.database_url) as blocker:
        wait_for(lambda: composed.board.is_complete and composed.key_ring.has_keys())
        body = {"kind": "metro", "name": "A gate", "area": "440103001"}
        place = client.post("/v1/checkpoints", json=body, headers=issuer.headers("operator")).json()["checkpoint_id"]
        _, idx = topic.enrol(GREEN)
        scans = [scan(place, credential={"pass": codes.mint(idx)}) for _ in range(3)]
        blocker.execute("LOCK TABLE scan IN ACCESS EXCLUSIVE MODE")

        def send(body):
            return client.post("/v1/scans", json=body, headers=gate(place))

        with ThreadPoolExecutor(2) as pool:
            waiting = [pool.submit(send, body) for body in scans[:2]]
            wait_for(lambda: composed.scan_routes.under_way() == 2)
            refused = send(scans[2])
            blocker.rollback()
            assert [each.result().status_code for each in waiting] == [200, 200]
        assert (refused.status_code, refused.json()["code"]) == (503, "overloaded")
        assert int(refused.headers["Retry-After"]) >= 1
        assert send(scans[2]).status_code == 200
    assert sql("SELECT count(*) FROM scan") == [(3,)]


def test_what_the_queue_does_not_hold_is_refused_whole_and_politely(settings, codes, issuer, gate, sql):
    composed = compose_api(settings.model_copy(update={"scan_queue_max": 10}), codes=codes)
    with TestClient(composed.scan_routes) as client:
        body = {"kind": "metro", "name": "A gate", "area": "440103001"}
        place = client.post("/v1/checkpoints", json=body, headers=issuer.headers("operator")).json()["checkpoint_id"]
        scans = [scan(place, credential={"pass": "a.b.c"}) for _ in range(11)]
        refused = client.post("/v1/scans/batch", json={"scans": scans}, headers=gate(place))
        assert (refused.status_code, refused.json()["code"]) == (503, "overloaded")
        assert int(refused.headers["Retry-After"]) >= 1
        assert sql("SELECT count(*) FROM scan") == [(0,)]
        assert client.post("/v1/scans/batch", json={"scans": scans[:10]}, headers=gate(place)).status_code == 200
    assert sql("SELECT count(*) FROM scan") == [(10,)]


@pytest.mark.parametrize("path", ["/v1/scans", "/v1/scans/batch"])
@pytest.mark.parametrize("client", ["on its connection"], indirect=True)
def test_a_known_gates_scans_need_no_task(client, composed, register, gate, codes, person, path):
    place = register("metro")
    _, idx = person(GREEN)
    headers, seen = gate(place), []
    takers, targets = composed.scan_routes._takers, composed.scan_routes._by_target
    take = takers[path]
    takers[path] = targets[path.encode()] = lambda *of: seen.append(_in_a_task()) or take(*of)
    sent = scan(place, credential={"pass": codes.mint(idx)})
    body = sent if path == "/v1/scans" else {"scans": [sent]}
    first, again = (client.post(path, json=body, headers=headers).json() for _ in range(2))
    assert (first if path == "/v1/scans" else first["results"][0])["decision"] == "pass"
    assert again == first
    assert (seen[0], seen[-1]) == (True, False)


@pytest.mark.parametrize("scans", [3, 40])
def test_a_batch_has_its_answers_in_order_whatever_has_to_be_asked(client, register, gate, codes, person, sql, scans):
    """Passes, what is no scan, another checkpoint's, and beside them a card and a vehicle or not; small and large."""
    place, other = register("road"), register("road")
    tokens = [codes.mint(person(colour)[1]) for colour in (GREEN, RED, GREEN)]
    plain = [scan(place, credential={"pass": tokens[n % 3]}) for n in range(scans)]
    mixed = [{}, *plain, scan(other, credential={"pass": tokens[0]}), plain[0], plain[1] | {"direction": "out"}]
    vehicle = scan(place, credential={"plate": "粤A12345"}, people=[{"scan_id": str(uuid7()), **_of(tokens[1])}])
    for asked in ([], [scan(place, credential={"document": CARD}), vehicle]):
        answer = client.post("/v1/scans/batch", json={"scans": [*mixed, *asked]}, headers=gate(place))
        results = [each.get("decision") or each["problem"]["code"] for each in answer.json()["results"]]
        decided = ["stop" if n % 3 == 1 else "pass" for n in range(scans)]
        assert results[: len(mixed)] == [
            "invalid_request", *decided, "checkpoint_refused", "pass", "scan_id_reused",
        ]  # fmt: skip
        assert results[len(mixed) :] == ["check", "stop"][: len(asked)]
    assert sql("SELECT count(*) FROM scan") == [(scans + 3,)]


def _of(token):
    return {"credential": {"pass": token}}


def _in_a_task():
    return asyncio.current_task() is not None


def test_whoever_was_enrolled_just_now_is_known_before_the_worker_has_heard_of_them(
    client, register, gate, codes, person, sql
):
    """The worker does not run at all here."""
    place, (person_ref, idx) = register(), person(GREEN)
    answer = client.post("/v1/scans", json=scan(place, credential={"pass": codes.mint(idx)}), headers=gate(place))
    assert answer.json()["decision"] == "pass"
    assert sql("SELECT person_ref FROM scan") == [(person_ref,)]
    assert sql("SELECT aggregateid FROM outbox WHERE aggregatetype = 'scan'") == [(str(person_ref),)]
