"""Who is let in, and as whom."""

from __future__ import annotations

import base64
import json
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from fastapi import Depends, FastAPI
from fastapi.testclient import TestClient
from jwt.algorithms import ECAlgorithm

from chassis import auth
from chassis.auth import Bearer, TokenReader, bearer_of, needs, require_area
from chassis.issuer_keys import verification_keys
from chassis.problems import Problem, install_problems

KEY, OTHER_KEY = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
ISSUER, AUDIENCE = "https://issuer.test", "guanka"
PERSON = uuid.UUID("0190a3f0-7e4b-8cc0-8000-000000000001")

Sign = Callable[..., str]


def jwk(key: ec.EllipticCurvePrivateKey, **members: Any) -> dict[str, Any]:
    public: dict[str, Any] = json.loads(ECAlgorithm.to_jwk(key.public_key()))
    return {**public, "kid": "k1", **members}


def signed(
    key: Any = KEY, *, algorithm: str = "ES256", headers: dict[str, Any] | None = None, without: str = "", **claims: Any
) -> str:
    """A token as the issuer makes them, but for what is given otherwise."""
    payload = {"iss": ISSUER, "aud": AUDIENCE, "sub": "op-1", "exp": time.time() + 86_400, "roles": ["operator"]}
    payload = {name: value for name, value in {**payload, "area": "4401", **claims}.items() if name != without}
    return "Bearer " + jwt.encode(payload, key, algorithm=algorithm, headers={"kid": "k1", **(headers or {})})


def raw(header: object, payload: object = None, signature: bytes = b"x") -> str:
    parts = [json.dumps(part).encode() if not isinstance(part, bytes) else part for part in (header, payload)]
    return "Bearer " + ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in (*parts, signature))


@pytest.fixture
def jwks(tmp_path: Path) -> Path:
    path = tmp_path / "issuer.jwks.json"
    path.write_text(json.dumps({"keys": [jwk(KEY)]}))
    return path


@pytest.fixture
def reader(jwks: Path) -> TokenReader:
    return TokenReader(str(jwks), issuer=ISSUER, audience=AUDIENCE)


def refusal(reader: TokenReader, authorization: str | None) -> tuple[int, str]:
    with pytest.raises(Problem) as refused:
        reader.read(authorization)
    assert refused.value.status == 503 or (refused.value.headers or {})["WWW-Authenticate"] == "Bearer"
    return refused.value.status, refused.value.code


def test_a_token_of_the_issuer_gives_its_holder_with_roles_area_and_bindings(reader: TokenReader) -> None:
    expires_at = int(time.time()) + 600
    bearer = reader.read(
        signed(exp=expires_at, roles=["gate", "king"], checkpoints=["c-1"], person_ref=str(PERSON), area="440103")
    )
    assert bearer == Bearer("op-1", frozenset({"gate"}), "440103", PERSON, frozenset({"c-1"}), float(expires_at))


def test_the_scheme_may_be_written_in_any_case(reader: TokenReader) -> None:
    assert reader.read(signed().replace("Bearer", "bearer")).subject == "op-1"


def test_a_token_for_several_audiences_is_for_this_one_too(reader: TokenReader) -> None:
    assert reader.read(signed(aud=["elsewhere", AUDIENCE])).subject == "op-1"


@pytest.mark.parametrize("authorization", [None, "", "Bearer", "Bearer ", "Basic Zm9v", signed()[7:]])
def test_without_a_bearer_token_nobody_is_let_in(reader: TokenReader, authorization: str | None) -> None:
    assert refusal(reader, authorization) == (401, "unauthenticated")


def test_an_expired_token_is_named_as_such(reader: TokenReader) -> None:
    assert refusal(reader, signed(exp=time.time() - 1)) == (401, "token_expired")


FOREIGN = {
    "another key": signed(OTHER_KEY),
    "another key under an unknown kid": signed(OTHER_KEY, headers={"kid": "k2"}),
    "a kid that is a path": signed(headers={"kid": "../../etc/passwd"}),
    "a kid that is an address": signed(headers={"kid": "https://attacker.test/jwks"}),
    "no kid": raw({"alg": "ES256", "typ": "JWT"}, {"sub": "x"}),
    "a kid that is a list": raw({"alg": "ES256", "kid": ["k1"]}, {"sub": "x"}),
    "a key in the token": signed(OTHER_KEY, headers={"kid": "k2", "jwk": jwk(OTHER_KEY, kid="k2")}),
    "a key set in the token": signed(OTHER_KEY, headers={"kid": "k2", "jku": "https://attacker.test/jwks"}),
    "no algorithm": "Bearer " + jwt.encode({"sub": "x"}, None, algorithm="none", headers={"kid": "k1"}),
    "no algorithm, no signature": raw({"alg": "none", "kid": "k1"}, {"sub": "x"}, b""),
    "a symmetric algorithm": signed("k" * 32, algorithm="HS256"),
    "another asymmetric algorithm": signed(rsa.generate_private_key(65537, 2048), algorithm="RS256"),
    "another curve": signed(ec.generate_private_key(ec.SECP384R1()), algorithm="ES384"),
    "another issuer": signed(iss="https://attacker.test"),
    "another audience": signed(aud="elsewhere"),
    "not valid yet": signed(nbf=time.time() + 43_200),
    "no issuer": signed(without="iss"),
    "no audience": signed(without="aud"),
    "no subject": signed(without="sub"),
    "an empty subject": signed(sub=""),
    "a subject with a line break": signed(sub="op-1\nop-2"),
    "a subject with a direction mark": signed(sub="op-1\u202e"),
    "a subject that looks like another": signed(sub="op-1\u200b"),
    "a subject between blanks": signed(sub=" op-1"),
    "a subject with two blanks": signed(sub="op  1"),
    "a subject with a blank of another width": signed(sub="op\u30001"),
    "a subject with a Hangul filler": signed(sub="op-1\u3164"),
    "a subject with a filler that no form takes away": signed(sub="op-1\u1160"),
    "a subject with blank Braille": signed(sub="op-1\u2800"),
    "a subject with a joiner of graphemes": signed(sub="op-1\u034f"),
    "a subject with a selector": signed(sub="op-1\ufe0f"),
    "a subject with a selector of ideographs": signed(sub="\u5f35\U000e0100"),
    "a subject in fullwidth letters": signed(sub="\uff4f\uff50-1"),
    "a subject with a ligature": signed(sub="o\ufb03cer"),
    "a subject in pieces": signed(sub="Jose\u0301"),
    "a subject with a compatibility ideograph": signed(sub="\uf900"),
    "a subject that reads as one for another in the log of looks": signed(sub="checkpoints for gate-7"),
    "a subject of a page": signed(sub="o" * 201),
    "scopes as a list": signed(scope=["evidence"]),
    "no expiry": signed(without="exp"),
    "an expiry that is a text": signed(exp="tomorrow"),
    "an expiry that is null": signed(exp=None),
    "an expiry without end": signed(exp=float("inf")),
    "roles as a text": signed(roles="operator"),
    "roles of numbers": signed(roles=[1]),
    "roles as an object": signed(roles={"operator": True}),
    "checkpoints as a text": signed(checkpoints="c-1"),
    "checkpoints within lists": signed(checkpoints=[["c-1"]]),
    "a number for an area": signed(area=4401),
    "a list of areas": signed(area=["4401"]),
    "a person that is no UUID": signed(person_ref="someone"),
    "a number for a person": signed(person_ref=7),
    "not a token": "Bearer abc",
    "two parts": "Bearer a.b",
    "five parts": "Bearer a.b.c.d.e",
    "a header that is no JSON": raw(b"\xff\xfe"),
    "a header that is a list": raw(["ES256"]),
    "brackets within brackets": raw(b"[" * 2900),
    "letters beyond ASCII": "Bearer ä.ö.ü",
    "a token without end": "Bearer " + "a" * 5000,
}


@pytest.mark.parametrize("authorization", FOREIGN.values(), ids=FOREIGN.keys())
def test_a_token_that_is_not_the_issuers_or_not_as_agreed_lets_nobody_in(
    reader: TokenReader, authorization: str
) -> None:
    assert refusal(reader, authorization) == (401, "unauthenticated")


def test_an_area_that_is_no_node_of_the_tree_opens_nothing(jwks: Path) -> None:
    """As a prefix `44` would be the province and everything in it, and `4401030` half a district."""
    reader = TokenReader(str(jwks), issuer=ISSUER, audience=AUDIENCE, is_area={"4401", "440103"}.__contains__)
    assert reader.read(signed(area="440103")).area == "440103"
    for absent in ({"without": "area"}, {"area": ""}, {"area": None}):
        assert reader.read(signed(**absent)).area == ""
    for area in ("44", "4401030", "4", " 4401", "４４０１", "9999"):
        with pytest.raises(Problem) as refused:
            reader.read(signed(area=area))
        assert (refused.value.status, refused.value.code) == (403, "area_claim_unknown")


@pytest.mark.parametrize("subject", ["zhang", "张三@cdc.gz", "o" * 200, "device:7/A", "Anna Maria", "José", "for 7"])
def test_a_printable_subject_is_taken_as_it_is(reader: TokenReader, subject: str) -> None:
    assert reader.read(signed(sub=subject)).subject == subject


def test_a_service_may_do_what_its_token_names_and_nothing_else(jwks: Path) -> None:
    app = FastAPI()
    app.state.token_reader = TokenReader(str(jwks), issuer=ISSUER, audience=AUDIENCE)
    install_problems(app, {})

    @app.get("/evidence")
    def evidence(_bearer: Annotated[Bearer, Depends(needs("authority", "service", scope="evidence"))]) -> None: ...

    client = TestClient(app)

    def answer(**claims: Any) -> tuple[int, str]:
        answered = client.get("/evidence", headers={"Authorization": signed(**claims)})
        return answered.status_code, (answered.json() or {}).get("code", "")

    assert answer(roles=["service"], scope="masks evidence") == (200, "")
    for scope in ("", "masks", "evidences", None):
        assert answer(roles=["service"], scope=scope) == (403, "scope_missing")
    assert answer(roles=["service"]) == (403, "scope_missing")
    assert answer(roles=["authority"]) == (200, ""), "an official needs no scope"
    assert answer(roles=["authority", "service"]) == (200, "")
    assert answer(roles=["operator"], scope="evidence") == (403, "role_missing")


def test_what_a_service_may_do_has_a_name() -> None:
    with pytest.raises(AssertionError):
        needs("operator", "service")


def test_a_changed_payload_is_noticed(reader: TokenReader) -> None:
    header, payload, signature = signed()[7:].split(".")
    claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
    forged = base64.urlsafe_b64encode(json.dumps({**claims, "roles": ["approver"]}).encode()).rstrip(b"=").decode()
    assert refusal(reader, f"Bearer {header}.{forged}.{signature}") == (401, "unauthenticated")


def test_a_refusal_repeats_nothing_of_the_token(reader: TokenReader) -> None:
    for authorization in FOREIGN.values():
        with pytest.raises(Problem) as refused:
            reader.read(authorization)
        assert authorization[7:40] not in refused.value.detail


# -- what is remembered ------------------------------------------------------------------------------------------------


def test_a_token_is_verified_once_a_minute_at_most(reader: TokenReader, monkeypatch: pytest.MonkeyPatch) -> None:
    decoded: list[str] = []
    decode = jwt.decode

    def count(token: str, *given: Any, **named: Any) -> Any:
        decoded.append(token)
        return decode(token, *given, **named)

    monkeypatch.setattr(auth.jwt, "decode", count)
    token, now = signed(exp=time.time() + 3600), time.time()
    for seconds, verified in ((0, 1), (30, 1), (59, 1), (61, 2)):
        monkeypatch.setattr(auth.time, "time", lambda seconds=seconds: now + seconds)
        reader.read(token)
        assert len(decoded) == verified


def test_a_remembered_token_is_not_taken_beyond_its_expiry(
    reader: TokenReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.time()
    token = signed(exp=int(now) - 1 + 10)
    assert reader.read(token).subject == "op-1"
    monkeypatch.setattr(auth.time, "time", lambda: now + 10)
    monkeypatch.setattr(auth.jwt, "decode", _raise_expired)
    assert refusal(reader, token) == (401, "token_expired")


def _raise_expired(*_: Any, **__: Any) -> None:
    raise jwt.ExpiredSignatureError


def test_refused_tokens_are_not_remembered(reader: TokenReader) -> None:
    for n in range(50):
        refusal(reader, signed(OTHER_KEY, sub=f"op-{n}"))
    assert reader._verified == {}


# -- the issuer's keys -------------------------------------------------------------------------------------------------


def test_a_new_key_is_known_after_the_next_reading_and_a_withdrawn_one_is_not(jwks: Path) -> None:
    reader = TokenReader(str(jwks), issuer=ISSUER, audience=AUDIENCE, refresh_s=0)
    assert reader.read(signed()).subject == "op-1"
    jwks.write_text(json.dumps({"keys": [jwk(OTHER_KEY, kid="k2")]}))
    assert reader.read(signed(OTHER_KEY, headers={"kid": "k2"})).subject == "op-1"
    assert refusal(reader, signed(sub="op-2")) == (401, "unauthenticated")


def test_an_unknown_key_fetches_nothing(jwks: Path) -> None:
    reader = TokenReader(str(jwks), issuer=ISSUER, audience=AUDIENCE)
    reader.read(signed())
    jwks.unlink()
    assert refusal(reader, signed(OTHER_KEY, headers={"kid": "k2"})) == (401, "unauthenticated")
    assert reader.read(signed(sub="op-2")).subject == "op-2"


@pytest.mark.parametrize("document", ["", "{", "[]", '{"keys": {}}', '{"keys": []}', '{"keys": [7, {}]}', "[" * 9999])
def test_a_key_set_that_cannot_be_read_leaves_the_known_keys(jwks: Path, document: str) -> None:
    reader = TokenReader(str(jwks), issuer=ISSUER, audience=AUDIENCE, refresh_s=0)
    reader.read(signed())
    jwks.write_text(document)
    assert reader.read(signed(sub="op-2")).subject == "op-2"


def test_while_no_key_was_ever_read_the_caller_is_told_to_come_again(tmp_path: Path) -> None:
    reader = TokenReader(str(tmp_path / "none.json"), issuer=ISSUER, audience=AUDIENCE)
    assert refusal(reader, signed()) == (503, "issuer_unavailable")


def test_of_a_key_set_only_what_verifies_es256_is_taken() -> None:
    keys = [
        jwk(KEY, kid="good"),
        jwk(KEY, kid="for-encryption", use="enc"),
        jwk(KEY, kid="other-algorithm", alg="ECDH-ES"),
        jwk(KEY, kid=7),
        {name: value for name, value in jwk(KEY).items() if name != "kid"},
        jwk(KEY, kid="broken", x="AAAA"),
        jwk(KEY, kid="no-point", x=7),
        {"kty": "oct", "k": "c2VjcmV0", "kid": "symmetric"},
        {"kty": "RSA", "n": "AQAB", "e": "AQAB", "kid": "rsa"},
        "not a key",
    ]
    assert list(verification_keys({"keys": keys})) == ["good"]


# -- areas and persons -------------------------------------------------------------------------------------------------


def bearer(**claims: Any) -> Bearer:
    return bearer_of({"sub": "x", "exp": 1, **claims})


@pytest.mark.parametrize(
    ("own", "area", "is_seen"),
    [
        ("4401", "4401", True),
        ("4401", "440103001002", True),
        ("440103", "440103001", True),
        ("440103", "4401", False),
        ("440103", "440104001", False),
        ("440103", "", False),
        ("", "4401", False),
        ("", "", False),
    ],
)
def test_a_subtree_is_what_begins_with_its_root(own: str, area: str, is_seen: bool) -> None:
    holder = bearer(area=own)
    assert holder.can_see_area(area) is is_seen
    if is_seen:
        require_area(holder, area)
    else:
        with pytest.raises(Problem, match="lies elsewhere") as refused:
            require_area(holder, area)
        assert area in ("", "4401") or area not in refused.value.detail, "it names no area but the bearer's own"


def test_a_citizen_is_one_person_and_an_official_is_none() -> None:
    assert bearer(roles=["citizen"], person_ref=str(PERSON)).is_person(PERSON)
    assert not bearer(roles=["citizen"], person_ref=str(PERSON)).is_person(uuid.uuid4())
    assert not bearer(roles=["operator"], person_ref=str(PERSON)).is_person(PERSON)
    assert not bearer(roles=["citizen"]).is_person(PERSON)


def test_one_of_the_roles_is_enough() -> None:
    assert bearer(roles=["gate", "device"]).has_role("operator", "device")
    assert not bearer(roles=["gate"]).has_role("operator")
    assert not bearer().has_role("operator")
