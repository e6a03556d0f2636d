"""Bad input through the running product: a problem document that names the field, nothing recorded, never a 5xx."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chassis.ids import uuid7
from tests.e2e.outsider import (
    COMMUNITY,
    DISTRICT,
    OTHER_DISTRICT,
    Json,
    Outsider,
    ago,
    new_document,
    new_evidence,
    new_scan,
    now,
    written,
)
from tests.running import Product

pytestmark = pytest.mark.parametrize("product", ["local"], indirect=True, scope="package")

DEEP = "[" * 100_000
NOBODY = str(uuid.uuid4())
REFUSED = (400, 413, 422)


@pytest.fixture(scope="module")
def outside(product: Product) -> Outsider:
    return Outsider(product)


@pytest.fixture(scope="module")
def gate(outside: Outsider) -> str:
    return outside.checkpoint("metro")


@pytest.fixture(scope="module")
def person(outside: Outsider) -> str:
    return outside.healthy()


@pytest.fixture(scope="module")
def posts(outside: Outsider, gate: str, person: str) -> dict[str, tuple[str, str, str, Json]]:
    """Every POST of the loop with a valid body: name → (service, path, token, body)."""
    at, authority, operator = now(), outside.token("authority"), outside.token("operator")
    poster = outside.get("checkpoints", f"/v1/checkpoints/{gate}/poster", operator).json()["venue_code"]
    entry = outside.confirm(outside.enrol())
    visit = {"scan_id": str(uuid7(at)), "venue_code": poster, "pass": "x", "scanned_at": written(at)}
    scan = new_scan(gate, {"pass": "x"}, temperature_c=36.5, direction="in")
    declared = {
        "temperature_c": 36.5, "symptoms": ["fatigue"], "contact_with_case": False, "made_at": ago(minutes=1),
        "stays": [{"area": DISTRICT, "from": ago(days=2), "to": ago(days=1)}],
    }  # fmt: skip
    named = {"document": new_document(), "name": "周示例", "phone": "13800000000", "birth_date": "1990-01-31"}
    opening = {
        "ledger": "close_contact", "area": COMMUNITY, "facts": {"met_at": ago(days=1)}, "opened_at": ago(minutes=1),
        "person": {"document": new_document(), "name": "吴示例", "phone": "13800000000"},
    }  # fmt: skip
    return {
        "people": ("codes", "/v1/people", operator, named | {"residence": {"area": COMMUNITY, "address": "1"}}),
        "declaration": ("codes", f"/v1/people/{person}/declarations", operator, declared),
        "pass": ("codes", f"/v1/people/{person}/passes", operator, {"kind": "shown"}),
        "evidence": ("codes", "/v1/evidence", authority, new_evidence(person_ref=person)),
        "checkpoint": (
            "checkpoints", "/v1/checkpoints", operator, {"kind": "mall", "name": "a", "venue": "b", "area": DISTRICT},
        ),
        "scan": ("checkpoints", "/v1/scans", outside.gate(gate), scan),
        "batch": ("checkpoints", "/v1/scans/batch", outside.gate(gate), {"scans": [scan]}),
        "visit": ("checkpoints", "/v1/venue-visits", outside.token("citizen", person=person), visit),
        "trace": ("checkpoints", "/v1/traces", authority, {"person_ref": person, "from": ago(days=1), "to": ago()}),
        "entry": ("ledger", "/v1/entries", authority, opening),
        "move": (
            "ledger", f"/v1/entries/{entry['entry_id']}/moves", authority,
            {"move": "admit", "facts": {"hospital": "一院"}, "expected_version": 1},
        ),
    }  # fmt: skip


NAMES = (
    "people", "declaration", "pass", "evidence", "checkpoint", "scan", "batch", "visit", "trace", "entry", "move",
)  # fmt: skip
RAW = {
    "nothing": b"",
    "not json": b"{",
    "not utf-8": b'{"a": "\xff\xfe"}',
    "utf-16": '{"a": 1}'.encode("utf-16"),
    "a list": b"[]",
    "a text": b'"x"',
    "a number": b"1",
    "null": b"null",
    "true": b"true",
    "not a number": b'{"temperature_c": NaN}',
    "an overflow": b'{"temperature_c": 1e999}',
    "a huge integer": b'{"temperature_c": ' + b"9" * 10_000 + b"}",
    "too deep": (DEEP + "]" * 100_000).encode(),
    "too deep and open": DEEP.encode(),
    "a lone surrogate": b'{"name": "\\ud800"}',
    "a null in a name of a field": b'{"\\u0000": 1}',
    "a lone surrogate in a name of a field": b'{"\\ud800": 1}',
    "a huge name of a field": b'{"' + b"a" * 500_000 + b'": 1}',
}


@pytest.mark.parametrize("raw", RAW)
@pytest.mark.parametrize("name", NAMES)
def test_what_is_not_the_body_is_refused(
    outside: Outsider, posts: dict[str, tuple[str, str, str, Json]], name: str, raw: str
) -> None:
    service, path, token, _ = posts[name]
    answer = outside.post(service, path, token, content=RAW[raw], headers={"Content-Type": "application/json"})
    assert answer.status_code in REFUSED, answer.text


@pytest.mark.parametrize("name", NAMES)
def test_a_body_over_the_limit_is_refused_before_it_is_read(
    outside: Outsider, posts: dict[str, tuple[str, str, str, Json]], name: str
) -> None:
    service, path, token, body = posts[name]
    large = json.dumps(body | {"filler": "x" * 3_000_000}).encode()
    typed = {"Content-Type": "application/json"}
    assert outside.post(service, path, token, content=large, headers=typed).status_code == 413
    chunks = (large[start : start + 65_536] for start in range(0, len(large), 65_536))
    assert outside.post(service, path, token, content=chunks, headers=typed).status_code == 413


@pytest.mark.parametrize("name", NAMES)
def test_a_field_that_is_unknown_or_wrong_is_named(
    outside: Outsider, posts: dict[str, tuple[str, str, str, Json]], name: str
) -> None:
    service, path, token, body = posts[name]
    unknown = outside.post(service, path, token, body | {"surprise": 1})
    assert unknown.status_code == 422
    assert "surprise" in json.dumps(unknown.json()["errors"])
    for field in body:
        for wrong in ({"a": []}, ["\x00"], 10**30, -1, 1.5e300, True, "\x00", "x" * 300_000, "𝕏" * 50):
            if _is_taken(name, field, wrong):
                continue
            answer = outside.post(service, path, token, body | {field: wrong})
            assert answer.status_code == 422, (field, str(wrong)[:20], answer.text[:300])
            assert field in json.dumps(answer.json()["errors"]), (field, str(wrong)[:20], answer.text[:300])


def _is_taken(name: str, field: str, value: object) -> bool:
    """Free text may be short and strange; a flag may be true."""
    is_short_text = isinstance(value, str) and len(value) == 50
    if field == "facts" and isinstance(value, dict):
        return name == "evidence"
    is_flag = (field, value) == ("contact_with_case", True)
    is_batch_with_a_refused_item = (field, value) == ("scans", ["\x00"])
    is_forged_pass = (field, value) == ("pass", "\x00")
    is_text = is_short_text and field in ("name", "venue", "source", "pass")
    return is_flag or is_batch_with_a_refused_item or is_forged_pass or is_text


@pytest.mark.parametrize(
    ("name", "field", "at"),
    [
        (name, field, at)
        for name, field in (
            ("declaration", "made_at"), ("evidence", "observed_at"), ("scan", "scanned_at"), ("visit", "scanned_at"),
            ("entry", "opened_at"), ("trace", "from"), ("trace", "to"),
        )
        for at in (
            "0001-01-01T00:00:00+00:00", "9999-12-31T23:59:59-23:59", "2020-01-01T00:00:00", "yesterday", 1_600_000_000,
            "1600000000", "2026-02-30T00:00:00Z", "", "+292277-01-01T00:00:00Z", "2099-01-01T00:00:00Z",
        )
    ],
)  # fmt: skip
def test_an_absurd_time_is_refused(
    outside: Outsider, posts: dict[str, tuple[str, str, str, Json]], name: str, field: str, at: object
) -> None:
    service, path, token, body = posts[name]
    answer = outside.post(service, path, token, body | {field: at})
    assert answer.status_code == 422, answer.text
    assert field in json.dumps(answer.json()["errors"]) or name == "trace"


@pytest.mark.parametrize("apart", [timedelta(minutes=6), timedelta(days=-7, minutes=-1)])
def test_a_scan_outside_its_window_is_not_recorded(outside: Outsider, gate: str, apart: timedelta) -> None:
    offline = {"decision": "check", "refusal": None, "policy_version": "default@1", "list_revision": 1}
    body = new_scan(gate, {"pass": "x"}, now() + apart, offline=offline)
    assert outside.send(body).status_code == 422
    assert body["scan_id"] not in [each["scan_id"] for each in outside.scans_of(gate)]


@pytest.mark.parametrize("apart", [timedelta(minutes=4), timedelta(days=-6, hours=-23)])
def test_a_scan_inside_its_window_is_recorded(outside: Outsider, gate: str, apart: timedelta) -> None:
    assert outside.send(new_scan(gate, {"pass": "x"}, now() + apart)).status_code == 200


@pytest.mark.parametrize(
    "scan_id",
    [
        str(uuid.uuid4()), str(uuid7(datetime.now(UTC) - timedelta(minutes=6))), "x", 7, None,
        str(uuid7()).replace("-", ""), "ffffffff-ffff-7fff-bfff-ffffffffffff", "00000000-0000-7000-8000-000000000000",
    ],
)  # fmt: skip
def test_a_scan_id_that_is_not_of_its_moment_is_refused(outside: Outsider, gate: str, scan_id: object) -> None:
    answer = outside.send(new_scan(gate, {"pass": "x"}) | {"scan_id": scan_id})
    assert answer.status_code == 422
    assert "scan_id" in json.dumps(answer.json()["errors"])


@pytest.mark.parametrize(
    "wrong",
    [
        {"credential": {}}, {"credential": {"pass": "x", "surprise": 1}}, {"credential": {"pass": ""}},
        {"credential": {"document": {"type": "passport", "country": "CN", "number": "\x00"}}},
        {"credential": {"document": {"type": "library", "country": "CN", "number": "E123456"}}},
        {"credential": {"plate": "\x00"}}, {"credential": {"pass": "x"}, "people": [{}]}, {"people": []},
        {"temperature_c": "36.5"}, {"temperature_c": 10}, {"temperature_c": 60}, {"temperature_c": True},
        {"direction": "up"}, {"direction": []}, {"offline": {}}, {"offline": {"decision": "open"}},
        {"offline": {"decision": "pass", "refusal": "bored", "policy_version": "a@1", "list_revision": 1}},
        {"offline": {"decision": "pass", "refusal": None, "policy_version": "\x00", "list_revision": 1}},
        {"offline": {"decision": "pass", "refusal": None, "policy_version": "a@1", "list_revision": -1}},
    ],
)  # fmt: skip
def test_a_scan_with_a_wrong_part_is_not_recorded(outside: Outsider, gate: str, wrong: Json) -> None:
    body = new_scan(gate, {"pass": "x"}) | wrong
    answer = outside.send(body)
    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"][0]["field"].split(".")[0] in wrong
    assert body["scan_id"] not in [each["scan_id"] for each in outside.scans_of(gate)]


def test_a_batch_has_at_most_a_thousand(outside: Outsider, gate: str) -> None:
    scans = [new_scan(gate, {"pass": "x"}) for _ in range(1001)]
    assert outside.post("checkpoints", "/v1/scans/batch", outside.gate(gate), {"scans": scans}).status_code == 422
    assert outside.post("checkpoints", "/v1/scans/batch", outside.gate(gate), {"scans": []}).status_code == 422


# -- who asks ----------------------------------------------------------------------------------------------------------


def _foreign_token(outside: Outsider, **claims: Any) -> str:
    told = jwt.decode(outside.token("operator"), options={"verify_signature": False})
    return jwt.encode(told | claims, ec.generate_private_key(ec.SECP256R1()), "ES256", headers={"kid": "development"})


BAD_TOKENS: dict[str, Callable[[Outsider], str | None]] = {
    "none": lambda outside: None,
    "nonsense": lambda outside: "x.y.z",
    "huge": lambda outside: "x" * 20_000,
    "foreign": _foreign_token,
    "expired": lambda outside: outside.token("operator", life=timedelta(seconds=-1)),
    "alg none": lambda outside: jwt.encode({"sub": "x", "roles": ["operator"]}, None, "none", {"kid": "development"}),
    "alg HS256": lambda outside: jwt.encode({"sub": "x", "roles": ["gate"]}, "k" * 32, "HS256", {"kid": "development"}),
    "a pass": lambda outside: outside.pass_of(outside.enrol()),
}


@pytest.mark.parametrize("kind", BAD_TOKENS)
def test_a_token_that_does_not_hold_is_unauthenticated_everywhere(
    outside: Outsider, posts: dict[str, tuple[str, str, str, Json]], person: str, gate: str, kind: str
) -> None:
    token = BAD_TOKENS[kind](outside)
    for service, path, _, body in posts.values():
        assert outside.post(service, path, token, body).status_code == 401, path
    for service, path in (
        ("codes", f"/v1/people/{person}/code"), ("checkpoints", f"/v1/people/{person}/scans"),
        ("checkpoints", f"/v1/checkpoints/{gate}/scans"), ("checkpoints", "/v1/stats/live"),
        ("ledger", f"/v1/people/{person}/file"), ("ledger", "/v1/entries"), ("ledger", "/v1/journal/checkpoint"),
        ("codes", "/v1/standings/0"),
    ):  # fmt: skip
        assert outside.get(service, path, token).status_code == 401, path


def test_a_role_that_may_not_is_refused_everywhere(
    outside: Outsider, posts: dict[str, tuple[str, str, str, Json]], person: str
) -> None:
    device = outside.token("device")
    for service, path, _, body in posts.values():
        assert outside.post(service, path, device, body).status_code == 403, path
    for service, path in (
        ("codes", f"/v1/people/{person}/code"), ("checkpoints", f"/v1/people/{person}/scans"),
        ("checkpoints", "/v1/stats/live"), ("ledger", f"/v1/people/{person}/file"), ("ledger", "/v1/entries"),
    ):  # fmt: skip
        assert outside.get(service, path, device).status_code == 403, path


def test_a_token_reaches_its_own_area_only(outside: Outsider, person: str, gate: str) -> None:
    def elsewhere(role: str) -> str:
        return outside.token(role, area=OTHER_DISTRICT)

    operator, authority = elsewhere("operator"), elsewhere("authority")
    declared = {"symptoms": [], "stays": [], "contact_with_case": False}
    outside.confirm(person)
    place = {"kind": "mall", "name": "a", "area": DISTRICT}
    home = {"document": new_document(), "name": "郑示例", "residence": {"area": COMMUNITY}}
    opening = {
        "ledger": "confirmed", "person": {"person_ref": person}, "area": COMMUNITY,
        "facts": {"confirmed_at": written(now())},
    }  # fmt: skip
    for answer in (
        outside.get("codes", f"/v1/people/{person}/code", operator),
        outside.post("codes", f"/v1/people/{person}/declarations", operator, declared),
        outside.post("codes", "/v1/people", operator, home),
        outside.post("codes", "/v1/evidence", authority, new_evidence(person_ref=person)),
        outside.post("checkpoints", "/v1/checkpoints", operator, place),
        outside.get("checkpoints", f"/v1/checkpoints/{gate}", operator),
        outside.get("checkpoints", f"/v1/checkpoints/{gate}/scans", authority),
        outside.post("ledger", "/v1/entries", authority, opening),
        outside.get("ledger", f"/v1/people/{person}/file", authority),
        outside.get("ledger", "/v1/entries", authority, params={"area": DISTRICT}),
    ):
        assert answer.status_code == 403, answer.text


def test_a_citizen_reaches_nobody_else(outside: Outsider, person: str) -> None:
    other = outside.token("citizen", person=NOBODY)
    declared = {"symptoms": [], "stays": [], "contact_with_case": False}
    assert outside.get("codes", f"/v1/people/{person}/code", other).status_code == 403
    assert outside.post("codes", f"/v1/people/{person}/passes", other, {"kind": "shown"}).status_code == 403
    assert outside.post("codes", f"/v1/people/{person}/declarations", other, declared).status_code == 403
    again = {"document": new_document(), "name": "冯示例"}
    assert outside.post("codes", "/v1/people", other, again).status_code == 403


def test_a_gate_scans_at_its_own_checkpoints_only(outside: Outsider, gate: str) -> None:
    body = new_scan(gate, {"pass": "x"})
    other = outside.token("gate", checkpoints=[NOBODY])
    assert outside.post("checkpoints", "/v1/scans", other, body).status_code == 403
    assert outside.post("checkpoints", "/v1/scans", outside.token("gate"), body).status_code == 403
    assert outside.send(body | {"checkpoint_id": NOBODY}).status_code == 404
    assert body["scan_id"] not in [each["scan_id"] for each in outside.scans_of(gate)]


def test_what_does_not_exist_is_not_found(outside: Outsider) -> None:
    operator, authority = outside.token("operator"), outside.token("authority")
    for service, path in (
        ("codes", f"/v1/people/{NOBODY}/code"), ("checkpoints", f"/v1/checkpoints/{NOBODY}"),
        ("checkpoints", f"/v1/checkpoints/{NOBODY}/poster"), ("ledger", f"/v1/people/{NOBODY}/file"),
        ("ledger", f"/v1/journal/proof?entry={NOBODY}"), ("codes", "/v1/status-lists/999"), ("codes", "/v1/nothing"),
        ("codes", "/v1/status-lists/99999999999999999999999"),
    ):  # fmt: skip
        assert outside.get(service, path, operator).status_code in (404, 422), path
    assert outside.get("checkpoints", f"/v1/traces/{NOBODY}", authority).status_code == 404
    assert outside.call("codes", "DELETE", "/v1/people", operator).status_code == 405
    assert outside.call("checkpoints", "GET", "/v1/scans", operator).status_code == 405


@pytest.mark.parametrize(
    "identifier", ["x", "1", "%00", "..%2f..", "a" * 3000, "%ff%fe", "'%20OR%201=1", "%F0%9F%98%80"]
)
def test_an_id_that_is_none_is_refused(outside: Outsider, identifier: str) -> None:
    tokens = {role: outside.token(role) for role in ("operator", "authority", "service")}
    for service, path, role in (
        ("codes", "/v1/people/{}/code", "operator"), ("codes", "/v1/status-lists/a{}", "operator"),
        ("codes", "/v1/standings/a{}", "service"), ("checkpoints", "/v1/checkpoints/{}", "operator"),
        ("checkpoints", "/v1/people/{}/scans", "authority"), ("checkpoints", "/v1/checkpoints/{}/scans", "authority"),
        ("checkpoints", "/v1/traces/{}", "authority"), ("ledger", "/v1/people/{}/file", "operator"),
        ("ledger", "/v1/entries/{}", "operator"), ("ledger", "/v1/journal/proof?entry={}", "operator"),
    ):  # fmt: skip
        assert outside.get(service, path.format(identifier), tokens[role]).status_code in (404, 422), path
    answer = outside.post(
        "ledger", f"/v1/entries/{identifier}/moves", tokens["operator"], {"move": "a", "expected_version": 1}
    )
    assert answer.status_code in (404, 422)


@pytest.mark.parametrize(
    "query",
    [
        "from=x", "to=2026-01-01", "from=2026-01-01T00:00:00", "limit=0", "limit=-1", "limit=99999999999999999999",
        "limit=x", "cursor=x", "cursor=%00", "cursor=%FF", "cursor=" + "A" * 5000, "from=9999-12-31T23:59:59%2B00:00",
        "from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z", "to=0001-01-01T00:00:00%2B14:00", "cursor=MDAwMS0wMS0w",
    ],
)  # fmt: skip
def test_a_history_is_asked_for_in_bounds(outside: Outsider, person: str, gate: str, query: str) -> None:
    for path in (f"/v1/people/{person}/scans", f"/v1/checkpoints/{gate}/scans"):
        assert outside.get("checkpoints", f"{path}?{query}", outside.token("authority")).status_code == 422


@pytest.mark.parametrize(
    "query",
    ["ledger=%00", "stage=%00", "area=%00", "area=x", "owner=%00", "cursor=x", "limit=0", "surprise=1", "overdue=x"],
)
def test_entries_are_asked_for_in_bounds(outside: Outsider, query: str) -> None:
    assert outside.get("ledger", f"/v1/entries?{query}", outside.token("operator")).status_code == 422


def test_other_content_under_an_id_in_use_is_refused(outside: Outsider, person: str, gate: str) -> None:
    told, authority = new_evidence(person_ref=person), outside.token("authority")
    assert outside.post("codes", "/v1/evidence", authority, told).status_code == 202
    assert outside.post("codes", "/v1/evidence", authority, told).status_code == 202
    assert outside.post("codes", "/v1/evidence", authority, told | {"kind": "vaccination"}).status_code == 409
    place = {"checkpoint_id": gate, "kind": "mall", "name": "other", "area": DISTRICT}
    assert outside.post("checkpoints", "/v1/checkpoints", outside.token("operator"), place).status_code == 409


# -- by chance ---------------------------------------------------------------------------------------------------------

_STRANGE = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=40), st.uuids().map(str),
    st.datetimes().map(lambda at: at.isoformat() + "Z"),
    st.sampled_from(["\x00", "\ud800", "1e999", "4401", "-0", "x" * 9000, "NaN", 2**63, -(2**63) - 1, 1e308, [], {}]),
)  # fmt: skip
_ANYTHING = st.recursive(
    _STRANGE, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
)


def _places(body: object, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = body.items() if isinstance(body, dict) else enumerate(body) if isinstance(body, list) else ()
    return [at] * bool(at) + [place for key, value in inner for place in _places(value, (*at, key))]


def _with(body: Any, place: tuple[Any, ...], value: object) -> Any:
    if not place:
        return value
    copy = dict(body) if isinstance(body, dict) else list(body)
    copy[place[0]] = _with(copy[place[0]], place[1:], value)
    return copy


@pytest.mark.timeout(120)
def test_no_body_whatever_brings_an_error_of_the_server(
    outside: Outsider, posts: dict[str, tuple[str, str, str, Json]]
) -> None:
    @settings(max_examples=600, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(st.data())
    def answered(data: st.DataObject) -> None:
        service, path, token, body = posts[data.draw(st.sampled_from(NAMES))]
        for _ in range(data.draw(st.integers(1, 2))):
            body = _with(body, data.draw(st.sampled_from(_places(body) or [()])), data.draw(_ANYTHING))
        content = json.dumps(body).encode()
        outside.post(service, path, token, content=content, headers={"Content-Type": "application/json"})

    answered()
