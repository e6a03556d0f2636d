"""Bodies and tokens that mean no good: they are refused with a problem that names the field, and nothing breaks."""

from __future__ import annotations

import copy
import hashlib
import hmac
import json
import random
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

import jwt
import schemathesis
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS

from tests.fuzz.conftest import Target
from tests.fuzz.passes import FAMILIES, Mint, encoded, header_of, signed
from tests.integration.checkpoints.town import ISSUER, Key, ago, scan

ROUTES = ("/v1/scans", "/v1/scans/batch")
MANY = examples(
    max_examples=100, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck)
)
FEW = examples(MANY, max_examples=30)
"""Of each operation and mode: schemathesis needs a fifth of a second to make one."""
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(min_value=-(2**70), max_value=2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=20), inner, max_size=5),
    max_leaves=20,
)


def full(target: Target) -> dict[str, Any]:
    """A scan in which everything is given."""
    document = {"type": "passport", "country": "FR", "number": "12AB34567"}
    people = [{"scan_id": scan(target.checkpoint_id)["scan_id"], "credential": {"pass": target.shown()}}]
    offline = {"decision": "stop", "refusal": "fever", "policy_version": "default@1", "list_revision": 17}
    credential = {"pass": target.shown(), "document": document, "plate": "粤A12345"}
    return scan(
        target.checkpoint_id,
        credential=credential,
        people=people,
        direction="in",
        temperature_c=36.6,
        offline=offline,
    )


def places(body: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where something can be changed."""
    found = [at] if at else []
    for key in body if isinstance(body, dict) else range(len(body)) if isinstance(body, list) else ():
        found += places(body[key], (*at, key))
    return found


def is_polite(answer: Any) -> bool:
    """An answer, or a problem that says what is wrong."""
    if answer.status_code == 200:
        return True
    return answer.status_code < 500 and answer.json()["status"] == answer.status_code and bool(answer.json()["code"])


def test_whatever_the_bytes_are_the_answer_is_polite_and_nothing_is_recorded(target: Target) -> None:
    @MANY
    @given(st.sampled_from(ROUTES), st.binary(max_size=300) | JSON.map(lambda value: json.dumps(value).encode()))
    def send(path: str, body: bytes) -> None:
        answer = target.post(path, body)
        assert is_polite(answer), answer.text
        assert answer.status_code == 422

    send()
    for body in (b"[" * 100_000, b'{"a":' * 50_000, b'"' + b"\\u0000" * 1000, b"\xff\xfe", b"1e999999", b"-" * 1000):
        assert [target.post(path, body).status_code for path in ROUTES] == [422, 422]
    assert target.scans() == 0


def test_whatever_stands_in_one_place_of_a_good_scan_the_answer_is_polite(target: Target) -> None:
    @MANY
    @given(st.sampled_from(ROUTES), st.data())
    def send(path: str, data: st.DataObject) -> None:
        body = full(target)
        at = data.draw(st.sampled_from(places(body)))
        holder: Any = body
        for step in at[:-1]:
            holder = holder[step]
        holder[at[-1]] = data.draw(JSON)
        answer = target.post(path, json.dumps(body if path == "/v1/scans" else {"scans": [body]}).encode())
        assert is_polite(answer), answer.text
        if path == "/v1/scans/batch" and answer.status_code == 200:
            assert [each.get("problem", {}).get("status", 200) < 500 for each in answer.json()["results"]] == [True]

    send()


def test_what_schemathesis_makes_of_our_own_openapi_meets_no_error(target: Target) -> None:
    """Bodies and parameters as the schema wants them, and such as break it."""
    schema = schemathesis.openapi.from_dict(target.http.get("/openapi.json").json())
    checks = [CHECKS.get_one(name) for name in ("not_a_server_error", "response_schema_conformance")]
    operations = [schema[path]["POST"] for path in ROUTES]
    if target.has_bundle:
        operations.append(schema["/v1/bundle"]["GET"])
    for operation in operations:
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):

            @FEW
            @given(case=operation.as_strategy(generation_mode=mode), is_real=st.booleans())
            def send(case: schemathesis.Case, is_real: bool) -> None:
                if is_real:
                    _make_real(case, target)
                response = case.call(base_url=target.address, headers=target.headers)
                case.validate_response(response, checks=checks)

            send()


def _make_real(case: schemathesis.Case, target: Target) -> None:
    """What a schema cannot know: the gate's own checkpoint, ids and times of now, a pass that codes signed."""
    real = scan(target.checkpoint_id, credential={"pass": target.shown()})
    if isinstance(case.query, dict) and "checkpoint" in case.query:
        case.query["checkpoint"] = target.checkpoint_id
    if not isinstance(case.body, dict):
        return
    bodies = case.body.get("scans", [case.body])
    for body in bodies if isinstance(bodies, list) else ():
        if isinstance(body, dict):
            body.update({name: copy.copy(value) for name, value in real.items() if name in body})


def test_no_pass_that_codes_did_not_sign_for_now_opens_a_gate(target: Target) -> None:
    """Over HTTP, one by one: forged, expired, signed again, another algorithm, an injected kid, too large."""
    codes, stranger = target.codes, Key("shown-1", "pass+jwt")
    good = codes.mint(0)
    header, payload, _ = good.split(".")
    public = codes.shown.private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    claims = jwt.decode(good, options={"verify_signature": False})
    forged = {
        "signed again": codes.mint(0, key=stranger),
        "algorithm none": f"{jwt.encode(claims, '', algorithm='none', headers={'kid': 'shown-1', 'typ': 'pass+jwt'})}",
        "a mac by the public key": signed_as_mac(claims, public),
        "kid of a path": codes.mint(0, key=stranger, headers={"kid": "../../dev/null"}),
        "kid of a list key": codes.mint(0, headers={"kid": "list-1"}),
        "its own key in the header": codes.mint(0, key=stranger, headers={"jwk": stranger.jwk()}),
        "printed as shown": codes.mint(0, key=codes.printed, headers={"kid": "shown-1"}),
        "too large": codes.mint(0, padding="x" * 400),
        "without a signature": f"{header}.{payload}.",
        "signature of another": f"{header}.{payload}.{codes.mint(1).rpartition('.')[2]}",
        "lives too long": codes.mint(0, life_s=3600),
        "another city": codes.mint(0, status={"status_list": {"idx": 0, "uri": "https://evil.example/s/1"}}),
    }
    for name, token in {**forged, "expired": codes.mint(0, at=ago(minutes=5))}.items():
        body = scan(target.checkpoint_id, credential={"pass": token})
        for answer in (
            target.post("/v1/scans", json.dumps(body).encode()).json(),
            target.post("/v1/scans/batch", json.dumps({"scans": [body]}).encode()).json()["results"][0],
        ):
            assert answer["decision"] != "pass", name
            assert answer["refusal"] == ("pass_expired" if name == "expired" else "pass_forged"), name
    assert target.post(
        "/v1/scans", json.dumps(scan(target.checkpoint_id, credential={"pass": "x" * 5000})).encode()
    ).status_code == 422  # fmt: skip
    answer = target.post("/v1/scans", json.dumps(scan(target.checkpoint_id, credential={"pass": good})).encode())
    assert answer.json()["decision"] == "pass"


def signed_as_mac(claims: dict[str, Any], secret: bytes) -> str:
    """HS256 with the public key for its secret; PyJWT itself declines to make that."""
    head = encoded(json.dumps({"alg": "HS256", "kid": "shown-1", "typ": "pass+jwt"}).encode())
    content = f"{head}.{encoded(json.dumps(claims).encode())}"
    return f"{content}.{encoded(hmac.new(secret, content.encode(), hashlib.sha256).digest())}"


def test_mutated_passes_over_http_are_recorded_as_refused_and_never_let_in(target: Target) -> None:
    """More than a thousand, made of passes that are good there and then: nothing but the mutation keeps them out."""
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for seed in range(10):
        mint = target.mint_of_now(seed)
        assert Counter(outcomes(target, mint.good)) == {"pass": len(mint.good)}
        families = [family for family in FAMILIES for _ in range(10)]
        tokens = [mint.mutated(family) for family in families]
        for family, outcome in zip(families, outcomes(target, tokens), strict=True):
            found[family.__name__][outcome] += 1
    sent = sum((counts for counts in found.values()), Counter({"pass": 10 * len(mint.good)}))
    assert target.scans() == sent.total() - sent["invalid_request"]
    assert found.pop("out_of_time").keys() == {"pass_forged", "pass_expired", "pass_not_yet_valid"}
    assert len(found) == len(FAMILIES) - 1
    for name, counts in found.items():
        assert counts.keys() <= {"pass_forged", "invalid_request"}, name
        assert counts["pass_forged"] > counts["invalid_request"], name


def outcomes(target: Target, tokens: Sequence[str]) -> list[str]:
    """By batch: of each token `pass`, the refusal, or the problem of its field."""
    bodies = [scan(target.checkpoint_id, credential={"pass": token}) for token in tokens]
    answer = target.post("/v1/scans/batch", json.dumps({"scans": bodies}).encode())
    assert answer.status_code == 200, answer.text
    results = answer.json()["results"]
    return [
        result["problem"]["code"] if "problem" in result else result["refusal"] or result["decision"]
        for result in results
    ]


def test_a_bearer_that_the_issuer_did_not_sign_gets_nothing(target: Target) -> None:
    """Four hundred mutated bearers and some odd headers: 401, every one, on every route."""
    chance = random.Random(4)
    good = target.token.removeprefix("Bearer ")
    bearers = ["", "Bearer", "Basic eA==", "Bearer \xff\xfe", "Bearer a.b.c", "Bearer " + "x" * 10_000]
    for _ in range(400):
        characters = list(good)
        for _ in range(chance.choice((1, 2, 6))):
            characters[chance.randrange(len(characters) - 2)] = chance.choice("abcXYZ019-_.=+/ é")
        bearers.append("Bearer " + "".join(characters))
    mint = Mint(chance)
    now = {"iss": ISSUER, "aud": "guanka", "sub": "x", "iat": 1, "exp": 2**40, "roles": ["gate"], "area": "4401"}
    for head in ({"alg": "none"}, header_of("issuer-1", "JWT"), {**header_of("issuer-1", "JWT"), "alg": "HS256"}):
        bearers.append("Bearer " + signed(head, {**now, "checkpoints": [target.checkpoint_id]}, mint.stranger))
    bearers.append(target.issuer.headers("gate", lives_s=-1)["Authorization"])
    for bearer in bearers:
        if bearer == target.token:
            continue
        headers = [(b"authorization", bearer.encode("latin-1"))]
        answers = [target.http.post(path, headers=headers, content=b"{}") for path in ROUTES]
        if target.has_bundle:
            answers.append(target.http.get("/v1/bundle", params={"checkpoint": target.checkpoint_id}, headers=headers))
        assert {answer.status_code for answer in answers} == {401}, bearer


def test_a_bundle_for_whatever_is_asked_is_given_or_refused_politely(target: Target) -> None:
    @MANY
    @given(st.text(max_size=60) | st.uuids().map(str) | st.just(target.checkpoint_id), st.text(max_size=80))
    def ask(checkpoint: str, tag: str) -> None:
        known = tag.encode("ascii", "ignore").decode().translate(CONTROLS).strip()
        headers = {**target.headers, "If-None-Match": known}
        answer = target.http.get("/v1/bundle", params={"checkpoint": checkpoint}, headers=headers)
        is_without_lists = answer.status_code == 503 and not target.has_bundle
        assert is_without_lists or is_polite(answer), answer.text

    ask()


CONTROLS = dict.fromkeys((*range(32), 127))
