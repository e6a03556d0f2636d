"""The HTTP contract as somebody else's program meets it: each promise of the loop, through the running product."""

from __future__ import annotations

import base64
import hashlib
import json
import time
import uuid
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import httpx
import jwt
import pytest

from chassis.ids import uuid7
from tests.e2e.outsider import (
    COMMUNITY,
    DISTRICT,
    OTHER_DISTRICT,
    Json,
    Outsider,
    ago,
    eventually,
    new_document,
    new_evidence,
    new_scan,
    now,
    written,
)
from tests.running import Product

pytestmark = pytest.mark.parametrize("product", ["local"], indirect=True, scope="package")

SERVICES = ("codes", "checkpoints", "ledger", "console")
WHARF = "440103002101"
CHECKED = {"decision": "check", "refusal": None, "policy_version": "default@1", "list_revision": 1}
ANSWER = {"scan_id", "decision", "colour", "refusal", "say", "policy_version", "board_revision", "recorded_at"}


@pytest.fixture(scope="module")
def outside(product: Product) -> Outsider:
    return Outsider(product)


@pytest.fixture(scope="module")
def mall(outside: Outsider) -> str:
    return outside.checkpoint("mall")


@pytest.fixture(scope="module")
def green(outside: Outsider, mall: str) -> str:
    """A green person whom the board knows."""
    person_ref = outside.healthy()
    eventually(lambda: outside.scan_person(mall, person_ref)["colour"] == "green")
    return person_ref


# -- starting it -------------------------------------------------------------------------------------------------------


def test_run_json_tells_processes_ports_and_databases(product: Product) -> None:
    told = product.running
    assert datetime.fromisoformat(told["ready_at"]).tzinfo is not None
    assert told["port_base"] == product.port_base
    assert told["events"] == "local"
    ports = {name: told["processes"][f"{name}-api"]["port"] for name in SERVICES}
    base = product.port_base
    assert ports == {"console": base, "codes": base + 1, "checkpoints": base + 2, "ledger": base + 3}
    for name in SERVICES:
        assert told["processes"][f"{name}-worker"]["pid"] > 1
        assert told["databases"][name].startswith("postgresql://")
    assert told["processes"]["postgres"]["pid"] > 1


@pytest.mark.parametrize("service", SERVICES)
def test_every_service_has_its_probes_metrics_and_description(outside: Outsider, service: str) -> None:
    assert outside.get(service, "/livez").status_code == 200
    assert outside.get(service, "/readyz").status_code == 200
    assert "# TYPE" in outside.get(service, "/metrics").text
    described = outside.get(service, "/openapi.json").json()
    assert described["openapi"].startswith("3.")
    if service == "checkpoints":
        assert {"/v1/scans", "/v1/scans/batch"} <= described["paths"].keys()


def test_a_token_is_printed_alone(product: Product) -> None:
    done = product.guanka("token", "gate", "--area", DISTRICT, "--checkpoint", "a", "--checkpoint", "b", "c")
    assert done.returncode == 0
    assert done.stdout.count("\n") == 1
    claims = jwt.decode(done.stdout.strip(), options={"verify_signature": False})
    assert claims["roles"] == ["gate"]
    assert claims["area"] == DISTRICT
    assert claims["checkpoints"] == ["a", "b", "c"]
    assert {"iss", "aud", "sub", "exp"} <= claims.keys()


def test_an_unknown_role_prints_no_token(product: Product) -> None:
    done = product.guanka("token", "king")
    assert done.returncode != 0
    assert done.stdout == ""


# -- codes -------------------------------------------------------------------------------------------------------------


def test_the_same_document_is_the_same_person(outside: Outsider) -> None:
    document, operator = new_document(), outside.token("operator")
    body = {"document": document, "name": "李示例", "phone": "13800000000", "birth_date": "1990-01-31"}
    first = outside.post("codes", "/v1/people", operator, body)
    again = outside.post("codes", "/v1/people", operator, body | {"document": document | {"country": "CHN"}})
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    uuid.UUID(first.json()["person_ref"])


def test_a_citizen_enrols_declares_reads_and_shows(outside: Outsider) -> None:
    body = {"document": new_document(), "name": "赵示例", "residence": {"area": COMMUNITY, "address": "1号"}}
    enrolled = outside.post("codes", "/v1/people", outside.token("citizen"), body)
    assert enrolled.status_code == 201
    person_ref = enrolled.json()["person_ref"]
    citizen = outside.token("citizen", person=person_ref)
    path = f"/v1/people/{person_ref}"
    assert outside.get("codes", f"{path}/code", citizen).json()["colour"] == "lapsed"
    told = {"temperature_c": 36.5, "symptoms": [], "stays": [], "contact_with_case": False, "made_at": ago(minutes=1)}
    declared = outside.post("codes", f"{path}/declarations", citizen, told)
    assert declared.status_code == 201
    uuid.UUID(declared.json()["declaration_id"])
    assert declared.json()["code"]["colour"] == "green"
    assert outside.post("codes", f"{path}/passes", citizen, {"kind": "shown"}).status_code == 201


def test_a_code_says_why_since_when_and_what_lifts_it(outside: Outsider) -> None:
    person_ref = outside.healthy()
    assert outside.code_of(person_ref)["reasons"] == []
    code = outside.declare(person_ref, symptoms=["dry_cough"])["code"]
    assert code == outside.code_of(person_ref)
    assert code.keys() == {"colour", "reasons", "since", "review_at", "lifts_when", "appeal"}
    assert code["colour"] == "yellow"
    [reason] = code["reasons"]
    assert {"rule", "rule_set", "text", "evidence"} <= reason.keys()
    assert reason["text"].keys() == code["lifts_when"].keys() == {"zh", "en"}
    assert [uuid.UUID(each) for each in reason["evidence"]]
    assert datetime.fromisoformat(code["since"]) <= now() < datetime.fromisoformat(code["review_at"])
    assert code["appeal"]["allowed"] is True
    assert code["appeal"]["url"]


@pytest.mark.parametrize(
    ("told", "colour"),
    [
        ({"temperature_c": 37.3}, "yellow"),
        ({"temperature_c": 37.2}, "green"),
        ({"contact_with_case": True}, "red"),
        ({"symptoms": ["fever"], "contact_with_case": True}, "red"),
    ],
)
def test_a_declaration_gives_the_colour_of_its_worst_rule(outside: Outsider, told: Json, colour: str) -> None:
    assert outside.declare(outside.enrol(), **told)["code"]["colour"] == colour


def test_a_stay_in_a_risk_area_colours_whoever_stayed_there(outside: Outsider) -> None:
    place, person_ref = f"450302{uuid.uuid4().int % 10**6:06d}", outside.enrol()
    outside.declare(person_ref, stays=[{"area": place, "from": ago(days=2), "to": ago(days=1)}])
    assert outside.evidence(kind="area_risk", area=place, facts={"level": "high"}).status_code == 202
    eventually(lambda: outside.code_of(person_ref)["colour"] == "red")


@pytest.mark.parametrize(("kind", "life"), [("shown", timedelta(seconds=60)), ("printed", timedelta(days=180))])
def test_a_pass_carries_no_person_and_no_colour(outside: Outsider, green: str, kind: str, life: timedelta) -> None:
    operator = outside.token("operator")
    answer = outside.post("codes", f"/v1/people/{green}/passes", operator, {"kind": kind}).json()
    assert answer.keys() == {"token", "expires_at", "colour"}
    assert answer["colour"] == "green"
    assert len(answer["token"]) <= 340
    header = jwt.get_unverified_header(answer["token"])
    assert header == {
        "typ": "pass+jwt" if kind == "shown" else "printed-pass+jwt",
        "alg": "ES256",
        "kid": header["kid"],
    }
    claims = jwt.decode(answer["token"], key_of(outside, header["kid"]), algorithms=["ES256"])
    assert claims.keys() == {"iat", "exp", "status"}
    assert claims["exp"] - claims["iat"] == life.total_seconds()
    assert claims["status"].keys() == {"status_list"}
    assert claims["status"]["status_list"].keys() == {"idx", "uri"}
    assert datetime.fromisoformat(answer["expires_at"]).timestamp() == claims["exp"]


def test_the_status_list_shows_the_colour_behind_a_pass(outside: Outsider, green: str) -> None:
    lapsed, red = outside.enrol(), outside.enrol()
    outside.declare(red, contact_with_case=True)
    place = {person: place_of(outside.pass_of(person)) for person in (green, lapsed, red)}
    path = "/v1/status-lists/" + place[green]["uri"].rpartition("/")[2]
    first = outside.get("codes", path)
    assert first.headers["content-type"].startswith("application/statuslist+jwt")
    again = outside.get("codes", path, headers={"If-None-Match": first.headers["etag"]})
    if again.headers["etag"] == first.headers["etag"]:
        assert (again.status_code, again.content) == (304, b"")
    newest = eventually(
        lambda: changed(outside.get("codes", path), first) if not red_in(outside, first, place[red]) else first, 75
    )
    assert red_in(outside, newest, place[red])
    assert colour_in(outside, newest.text, place[green]) == 0
    assert colour_in(outside, newest.text, place[lapsed]) == 3


def red_in(outside: Outsider, answer: httpx.Response, place: Json) -> bool:
    return colour_in(outside, answer.text, place) == 1


def changed(answer: httpx.Response, before: httpx.Response) -> httpx.Response | None:
    time.sleep(0.5)
    return answer if answer.headers["etag"] != before.headers["etag"] else None


def place_of(token: str) -> Json:
    claims = jwt.decode(token, options={"verify_signature": False})
    return dict(claims["status"]["status_list"])


def colour_in(outside: Outsider, token: str, place: Json) -> int:
    """By IETF Token Status List: `lst` is zlib, two bits an entry, the least significant first."""
    header = jwt.get_unverified_header(token)
    assert header["typ"] == "statuslist+jwt"
    claims = jwt.decode(token, key_of(outside, header["kid"]), algorithms=["ES256"])
    assert claims["sub"] == place["uri"]
    assert claims["status_list"]["bits"] == 2
    assert claims["iat"] <= now().timestamp()
    packed = claims["status_list"]["lst"]
    entries = zlib.decompress(base64.urlsafe_b64decode(packed + "=" * (-len(packed) % 4)))
    return entries[place["idx"] // 4] >> (place["idx"] % 4 * 2) & 3


def key_of(outside: Outsider, kid: str) -> Any:
    keys = outside.get("codes", "/.well-known/jwks.json").json()["keys"]
    assert not [key for key in keys if "d" in key], "a private key is shown"
    return jwt.PyJWK.from_dict(next(key for key in keys if key["kid"] == kid)).key


def test_evidence_comes_alone_or_as_up_to_a_thousand(outside: Outsider) -> None:
    person_ref, document = outside.enrol(), new_document()
    outside.enrol(document=document)
    assert outside.evidence(person_ref=person_ref).status_code == 202
    authority = outside.token("authority")
    both = [new_evidence(document=document), new_evidence(person_ref=person_ref, kind="vaccination")]
    assert outside.post("codes", "/v1/evidence", authority, both).status_code == 202
    many = [new_evidence(person_ref=person_ref) for _ in range(1000)]
    assert outside.post("codes", "/v1/evidence", authority, many).status_code == 202
    more = outside.post("codes", "/v1/evidence", authority, [*many, new_evidence(person_ref=person_ref)])
    assert more.status_code == 422


def test_standings_are_for_services(outside: Outsider, green: str) -> None:
    number = place_of(outside.pass_of(green))["uri"].rpartition("/")[2]
    standings = outside.get("codes", f"/v1/standings/{number}", outside.token("service"))
    assert standings.status_code == 200
    assert standings.json()["revision"] > 0
    assert outside.get("codes", f"/v1/standings/{number}", outside.token("operator")).status_code == 403


# -- checkpoints -------------------------------------------------------------------------------------------------------


def test_a_checkpoint_is_registered_read_and_has_a_poster(outside: Outsider) -> None:
    operator = outside.token("operator")
    body = {"checkpoint_id": str(uuid.uuid4()), "kind": "hospital", "name": "东门", "venue": "医院", "area": DISTRICT}
    answer = outside.post("checkpoints", "/v1/checkpoints", operator, body)
    assert answer.status_code == 201
    assert answer.json() == {"checkpoint_id": body["checkpoint_id"]}
    path = f"/v1/checkpoints/{body['checkpoint_id']}"
    read = outside.get("checkpoints", path, operator).json()
    assert {name: read[name] for name in body} == body
    assert (read["stage"], read["successor_id"]) == ("open", None)
    assert outside.get("checkpoints", f"{path}/poster", operator).json()["venue_code"]


def test_a_scan_is_answered_with_everything_a_gate_shows(outside: Outsider, mall: str, green: str) -> None:
    answer = outside.scan_person(mall, green, direction="in", temperature_c=36.6)
    assert answer.keys() >= ANSWER
    assert (answer["decision"], answer["colour"], answer["refusal"]) == ("pass", "green", None)
    assert answer["say"].keys() == {"zh", "en"}
    assert all(answer["say"].values())
    assert answer["board_revision"] > 0
    assert abs(datetime.fromisoformat(answer["recorded_at"]) - now()) < timedelta(seconds=5)


def test_each_standing_and_each_fault_of_a_pass_has_its_decision(outside: Outsider, green: str) -> None:
    metro = outside.checkpoint("metro")
    lapsed, yellow, red = outside.enrol(), outside.enrol(), outside.enrol()
    outside.declare(yellow, symptoms=["fatigue"])
    outside.declare(red, contact_with_case=True)
    for person_ref, colour, decision in ((lapsed, "lapsed", "check"), (yellow, "yellow", "stop"), (red, "red", "stop")):
        eventually(
            lambda person_ref=person_ref, colour=colour: outside.scan_person(metro, person_ref)["colour"] == colour
        )
        assert outside.scan_person(metro, person_ref)["decision"] == decision
    shown = {"pass": outside.pass_of(green)}
    for at, refusal in ((timedelta(minutes=4), "pass_expired"), (-timedelta(hours=2), "pass_not_yet_valid")):
        assert outside.scan(metro, shown, now() + at, offline=CHECKED)["refusal"] == refusal
        assert outside.scan(metro, shown, now() + at)["refusal"] == "clock_off"
    for credential, refusal in (
        ({"pass": shown["pass"][:-6] + "AAAAAA"}, "pass_forged"),
        ({"pass": "no pass at all"}, "pass_forged"),
        ({"document": new_document()}, "unknown_person"),
        ({"pass": shown["pass"], "document": new_document()}, "wrong_holder"),
    ):
        answer = outside.scan(metro, credential)
        assert answer["refusal"] == refusal
        assert answer["decision"] in ("check", "stop")
    hot = outside.scan_person(metro, green, temperature_c=37.3)
    assert (hot["decision"], hot["refusal"]) == ("stop", "fever")


def test_a_document_at_the_gate_is_the_same_person(outside: Outsider, mall: str) -> None:
    document = new_document()
    outside.declare(outside.enrol(document=document))
    told = {"document": document | {"number": " " + document["number"].lower()}}
    eventually(lambda: outside.scan(mall, told)["decision"] == "pass")


def test_a_printed_pass_is_compared_with_the_card(outside: Outsider, mall: str) -> None:
    document = new_document()
    person_ref = outside.enrol(document=document)
    outside.declare(person_ref)
    printed = {"pass": outside.pass_of(person_ref, "printed"), "document": document}
    eventually(lambda: outside.scan(mall, printed)["decision"] == "pass")


def test_the_same_scan_again_has_the_first_answer_and_another_under_its_id_is_refused(
    outside: Outsider, mall: str
) -> None:
    person_ref = outside.healthy()
    body = new_scan(mall, {"pass": outside.pass_of(person_ref)}, direction="in")
    first = outside.send(body)
    assert first.status_code == 200
    outside.declare(person_ref, symptoms=["fatigue"])
    eventually(lambda: outside.scan_person(mall, person_ref)["colour"] == "yellow")
    assert [outside.send(body).content for _ in range(3)] == [first.content] * 3
    assert outside.send(body | {"direction": "out"}).status_code == 409
    assert [each["scan_id"] for each in outside.scans_of(mall)].count(body["scan_id"]) == 1


def test_a_shown_pass_lets_in_once_and_each_direction_is_a_use(outside: Outsider, mall: str, green: str) -> None:
    other, shown, at = outside.checkpoint("mall"), {"pass": outside.pass_of(green)}, now()
    first = outside.scan(mall, shown, at, direction="in")
    assert (first["decision"], first["refusal"]) == ("pass", None)
    repeated = outside.scan(mall, shown, at + timedelta(seconds=2), direction="in")
    assert (repeated["decision"], repeated["refusal"]) == ("pass", None)
    for place, later in ((mall, 4), (other, 1)):
        again = outside.scan(place, shown, at + timedelta(seconds=later), direction="in")
        assert (again["decision"], again["refusal"], again["colour"]) == ("check", "pass_reused", "green")
    assert outside.scan(other, shown, direction="out")["decision"] == "pass"


@pytest.mark.parametrize("off_s", [-119, -10, 61, 119])
def test_a_gate_whose_clock_is_a_little_off_refuses_no_fresh_pass(outside: Outsider, mall: str, off_s: int) -> None:
    person_ref = outside.healthy()
    eventually(lambda: outside.scan_person(mall, person_ref, temperature_c=38.0)["colour"] == "green")
    assert outside.scan_person(mall, person_ref, at=now() + timedelta(seconds=off_s))["decision"] == "pass"


@pytest.mark.parametrize("off_s", [-3600, -125, 125, 8 * 3600])
def test_a_clock_that_is_far_off_is_checked_dated_by_the_server_and_alarmed_once(
    outside: Outsider, green: str, off_s: int
) -> None:
    place, off = outside.checkpoint("mall"), timedelta(seconds=off_s)
    for _ in range(3):
        answer = outside.scan_person(place, green, at=now() + off)
        assert (answer["decision"], answer["refusal"]) == ("check", "clock_off")
    dated = [datetime.fromisoformat(each["scanned_at"]) for each in outside.scans_of(place)]
    assert len(dated) == 3
    assert all(abs(now() - at) < timedelta(minutes=1) for at in dated)

    def alarms() -> list[Any]:
        listed = outside.get("ledger", "/v1/alarms", outside.token("operator"), params={"area": DISTRICT}).json()
        return [each for each in listed["alarms"] if each["checkpoint_id"] == place]

    assert [each["kind"] for each in eventually(alarms)] == ["clock_off"]


def test_a_vehicle_has_one_record_each_and_one_decision(outside: Outsider) -> None:
    road, healthy, red = outside.checkpoint("road"), outside.healthy(), outside.enrol()
    outside.declare(red, contact_with_case=True)
    eventually(lambda: outside.scan_person(road, red)["colour"] == "red")
    riders = [{"scan_id": str(uuid7()), "credential": {"pass": outside.pass_of(each)}} for each in (healthy, red)]
    answer = outside.scan(road, {"plate": "粤A12345"}, people=riders)
    assert answer["decision"] == "stop"
    recorded = {each["scan_id"] for each in outside.scans_of(road)}
    assert {rider["scan_id"] for rider in riders} <= recorded


def test_a_late_scan_is_kept_as_the_gate_took_it(outside: Outsider, mall: str, green: str) -> None:
    at = now() - timedelta(days=6, hours=23)
    offline = {"decision": "pass", "refusal": None, "policy_version": "default@1", "list_revision": 1}
    body = new_scan(mall, {"pass": outside.pass_of(green)}, at, offline=offline)
    assert outside.send(body).status_code == 200
    query = {"from": written(at - timedelta(minutes=1)), "to": written(at + timedelta(minutes=1))}
    page = outside.get("checkpoints", f"/v1/checkpoints/{mall}/scans", outside.token("authority"), params=query).json()
    assert body["scan_id"] in [each["scan_id"] for each in page["scans"]]


def test_a_batch_is_answered_in_order_and_an_invalid_item_has_its_own_problem(
    outside: Outsider, mall: str, green: str
) -> None:
    shown = {"pass": outside.pass_of(green)}
    scans: list[Any] = [new_scan(mall, shown) for _ in range(1000)]
    scans[1] = scans[1] | {"scanned_at": ago(days=8)}
    scans[2] = scans[2] | {"surprise": 1}
    scans[3] = "not a scan"
    scans[4] = new_scan(str(uuid.uuid4()), shown)
    scans[5] = scans[0]
    scans[6] = scans[0] | {"direction": "out"}
    answer = outside.post("checkpoints", "/v1/scans/batch", outside.gate(mall), {"scans": scans})
    assert answer.status_code == 200
    results = answer.json()["results"]
    assert len(results) == 1000
    assert [results[n]["problem"]["status"] for n in (1, 2, 3, 4, 6)] == [422, 422, 422, 403, 409]
    assert "scanned_at" in json.dumps(results[1]["problem"])
    assert "surprise" in json.dumps(results[2]["problem"])
    assert results[5] == results[0]
    assert [each["scan_id"] for each in results[7:]] == [each["scan_id"] for each in scans[7:]]
    assert all(each.keys() >= ANSWER for each in results[7:])
    again = outside.post("checkpoints", "/v1/scans/batch", outside.gate(mall), {"scans": scans})
    assert again.json() == answer.json()


def test_a_poster_reports_a_visit_that_is_never_evidence(outside: Outsider, green: str) -> None:
    place = outside.checkpoint("mall")
    poster = outside.get("checkpoints", f"/v1/checkpoints/{place}/poster", outside.token("operator")).json()
    at, citizen = now(), outside.token("citizen", person=green)
    body = {
        "scan_id": str(uuid7(at)),
        "venue_code": poster["venue_code"],
        "pass": outside.pass_of(green),
        "scanned_at": written(at),
    }
    first = outside.post("checkpoints", "/v1/venue-visits", citizen, body)
    assert first.status_code in (200, 201)
    assert outside.post("checkpoints", "/v1/venue-visits", citizen, body).content == first.content
    assert [each["scan_id"] for each in outside.scans_of(place)] == [body["scan_id"]]
    unknown = outside.post("checkpoints", "/v1/venue-visits", citizen, body | {"venue_code": "0" * 12})
    assert unknown.status_code in (404, 422)


def test_a_history_is_paged_without_gap_or_repeat(outside: Outsider) -> None:
    place, person_ref = outside.checkpoint("building"), outside.healthy()
    eventually(lambda: outside.scan_person(place, person_ref)["colour"] == "green")
    start = now()
    shown = {"pass": outside.pass_of(person_ref)}
    sent = [outside.scan(place, shown)["scan_id"] for _ in range(7)]
    query = {"from": written(start), "to": written(now() + timedelta(seconds=1))}
    for path in (f"/v1/checkpoints/{place}/scans", f"/v1/people/{person_ref}/scans"):
        found: list[Json] = []
        cursor: str | None = ""
        while cursor is not None:
            page = outside.get(
                "checkpoints", path, outside.token("authority"),
                params=query | {"limit": "3"} | ({"cursor": cursor} if cursor else {}),
            ).json()  # fmt: skip
            found += page["scans"]
            cursor = page["next_cursor"]
        assert sorted(each["scan_id"] for each in found) == sorted(sent)
        assert {each["person_ref"] for each in found} == {person_ref}
        assert {"scan_id", "person_ref", "checkpoint_id", "scanned_at", "decision", "colour", "refusal"} <= found[
            0
        ].keys()
        before = outside.get(
            "checkpoints", path, outside.token("authority"), params={"to": written(start - timedelta(hours=1))}
        )
        assert before.json() == {"scans": [], "next_cursor": None}


def test_a_trace_is_taken_and_answered(outside: Outsider, green: str) -> None:
    body = {"person_ref": green, "from": ago(days=1), "to": written(now())}
    asked = outside.post("checkpoints", "/v1/traces", outside.token("authority"), body)
    assert asked.status_code == 202
    trace = outside.get("checkpoints", f"/v1/traces/{asked.json()['trace_id']}", outside.token("authority"))
    assert trace.status_code == 200


def test_live_figures_count_by_colour_area_and_checkpoint(outside: Outsider, mall: str) -> None:
    def told() -> Json | None:
        live: Json = outside.get("checkpoints", "/v1/stats/live", outside.token("operator")).json()
        return live if mall in json.dumps(live["today"]["checkpoints"]) else None

    live = eventually(told)
    assert live["today"]["scans"] > 0
    assert live["last_minute"]["scans"] > 0
    assert live["last_minute"]["colours"]
    assert live["today"]["areas"]
    assert live["scans_per_s"] >= 0


# -- ledger ------------------------------------------------------------------------------------------------------------


def test_the_ledgers_are_told(outside: Outsider) -> None:
    told = outside.get("ledger", "/v1/ledgers", outside.token("operator")).json()
    assert {"confirmed", "close_contact", "general_contact", "isolation"} <= {each["id"] for each in told["ledgers"]}


def test_an_entry_has_an_owner_and_a_deadline_and_moves_by_its_version(outside: Outsider, green: str) -> None:
    person_ref = outside.healthy()
    entry = outside.confirm(person_ref)
    assert entry.keys() >= {"entry_id", "version", "stage", "owner", "next_deadline"}
    assert entry["owner"]
    assert datetime.fromisoformat(entry["next_deadline"]) > now()
    path, authority = f"/v1/entries/{entry['entry_id']}/moves", outside.token("authority")
    refused = outside.post("ledger", path, authority, {"move": "recover", "expected_version": entry["version"]})
    assert (refused.status_code, refused.json()["code"]) == (409, "move_refused")
    admitting = {"move": "admit", "facts": {"hospital": "一院"}}
    assert outside.post("ledger", path, authority, admitting | {"expected_version": 9}).status_code == 412
    moved = outside.move(entry, "admit", hospital="一院")
    assert moved["version"] == entry["version"] + 1
    again = outside.post("ledger", path, authority, admitting | {"expected_version": entry["version"]})
    assert again.status_code == 412


def test_an_entry_by_document_is_of_the_person_that_codes_knows(outside: Outsider) -> None:
    document = new_document()
    person_ref = outside.enrol(document=document)
    body = {
        "ledger": "close_contact",
        "person": {"document": document, "name": "孙示例", "phone": "13900000000"},
        "area": COMMUNITY,
        "facts": {},
    }
    answer = outside.post("ledger", "/v1/entries", outside.token("community", area=COMMUNITY), body)
    assert answer.status_code == 201, answer.text
    file = outside.file_of(person_ref)
    assert file is not None
    assert file["name"] == "孙示例"


def test_a_file_tells_in_order_who_did_what_when(outside: Outsider) -> None:
    person_ref = outside.healthy()
    entry = outside.move(outside.confirm(person_ref), "admit", hospital="一院")
    outside.move(entry, "discharge")
    eventually(lambda: {"evidence_found"} <= {each["what"] for each in (outside.file_of(person_ref) or {})["timeline"]})
    timeline = (outside.file_of(person_ref) or {})["timeline"]
    assert [each["at"] for each in timeline] == sorted(each["at"] for each in timeline)
    steps = [each for each in timeline if each["what"] in ("opened", "moved")]
    assert [each["move"] for each in steps][1:] == ["admit", "discharge"]
    assert all(each["made_by"] for each in steps)


def test_entries_are_listed_by_ledger_stage_area_owner_and_page(outside: Outsider) -> None:
    opened = [outside.confirm(outside.enrol(WHARF), WHARF) for _ in range(3)]
    authority = outside.token("authority")
    query = {"ledger": "confirmed", "stage": "reported", "area": WHARF, "owner": opened[0]["owner"], "limit": "2"}
    first = outside.get("ledger", "/v1/entries", authority, params=query).json()
    second = outside.get("ledger", "/v1/entries", authority, params=query | {"cursor": first["next_cursor"]}).json()
    listed = [each["entry_id"] for each in first["entries"] + second["entries"]]
    assert sorted(listed)[-3:] == sorted(each["entry_id"] for each in opened)
    assert outside.get("ledger", "/v1/entries", authority, params={"overdue": "true"}).status_code == 200
    assert outside.get("ledger", "/v1/entries", authority, params={"stage": "in_hospital", "area": WHARF}).json()[
        "entries"
    ] == []  # fmt: skip
    other = outside.token("community", area=OTHER_DISTRICT)
    assert opened[0]["entry_id"] not in outside.get("ledger", "/v1/entries", other).text


def test_the_journal_proves_an_entry_by_its_own_formula(outside: Outsider) -> None:
    entry = outside.confirm(outside.enrol())
    authority = outside.token("authority")
    proof = outside.get("ledger", "/v1/journal/proof", authority, params={"entry": entry["entry_id"]}).json()
    for link in proof["links"]:
        committed = hashlib.sha256(bytes.fromhex(link["salt"]) + link["content"].encode()).hexdigest()
        assert committed == link["commitment"]
    assert proof["links"]
    chain, cursor = list(proof["chain"]), proof["next_seq"]
    while cursor:
        query = {"entry": entry["entry_id"], "from_seq": cursor}
        more = outside.get("ledger", "/v1/journal/proof", authority, params=query).json()
        chain, cursor = chain + more["chain"], more["next_seq"]
    previous = chain[0]["previous"]
    for link in chain:
        assert link["previous"] == previous
        previous = hashlib.sha256(bytes.fromhex(previous) + bytes.fromhex(link["commitment"])).hexdigest()
        assert link["hash"] == previous
    checkpoint = outside.get("ledger", "/v1/journal/checkpoint", authority).json()
    assert checkpoint["size"] >= chain[-1]["seq"]


# -- console -----------------------------------------------------------------------------------------------------------


def test_the_console_has_a_page_and_a_live_stream(outside: Outsider, product: Product) -> None:
    page = outside.get("console", "/")
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    with httpx.stream("GET", product.address("console") + "/v1/live", timeout=10) as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        line = next(line for line in stream.iter_lines() if line.startswith("data:"))
    assert json.loads(line.removeprefix("data:"))


# -- all at once -------------------------------------------------------------------------------------------------------


def at_once(ask: Callable[[int], httpx.Response], times: int = 16) -> list[httpx.Response]:
    with ThreadPoolExecutor(times) as pool:
        return list(pool.map(ask, range(times)))


def test_of_many_who_do_the_same_at_once_one_does_it_and_nobody_fails(outside: Outsider, mall: str, green: str) -> None:
    operator, authority, gate = outside.token("operator"), outside.token("authority"), outside.gate(mall)
    body = {"document": new_document(), "name": "陈示例", "residence": {"area": COMMUNITY}}
    enrolled = at_once(lambda _: outside.post("codes", "/v1/people", operator, body))
    assert sorted(each.status_code for each in enrolled) == [200] * 15 + [201]
    [person_ref] = {each.json()["person_ref"] for each in enrolled}

    told = new_evidence(person_ref=person_ref)
    assert {each.status_code for each in at_once(lambda _: outside.post("codes", "/v1/evidence", authority, told))} == {
        202
    }

    scan = new_scan(mall, {"pass": outside.pass_of(green)})
    assert len({each.content for each in at_once(lambda _: outside.post("checkpoints", "/v1/scans", gate, scan))}) == 1
    other = new_scan(mall, {"pass": outside.pass_of(green)})
    told_apart = at_once(
        lambda n: outside.post("checkpoints", "/v1/scans", gate, other | {"temperature_c": 36.0 + n / 10})
    )
    assert sorted(each.status_code for each in told_apart) == [200] + [409] * 15

    place = {"checkpoint_id": str(uuid.uuid4()), "kind": "mall", "name": "东门", "area": DISTRICT}
    registered = at_once(lambda _: outside.post("checkpoints", "/v1/checkpoints", operator, place))
    assert {each.status_code for each in registered} <= {200, 201}

    case = {"ledger": "confirmed", "person": {"person_ref": person_ref}, "area": COMMUNITY}
    case["facts"] = {"confirmed_at": written(now())}
    opened = at_once(lambda _: outside.post("ledger", "/v1/entries", authority, case))
    assert sorted(each.status_code for each in opened) == [201] + [409] * 15
    entry = next(each.json() for each in opened if each.status_code == 201)
    path = f"/v1/entries/{entry['entry_id']}/moves"
    move = {"move": "admit", "facts": {"hospital": "一院"}, "expected_version": entry["version"]}
    moved = at_once(lambda _: outside.post("ledger", path, authority, move))
    assert sorted(each.status_code for each in moved) == [200] + [412] * 15

    declared = {"symptoms": ["fatigue"], "stays": [], "contact_with_case": False}
    made = at_once(lambda _: outside.post("codes", f"/v1/people/{person_ref}/declarations", operator, declared))
    assert {each.status_code for each in made} == {201}
