"""Every key that can be rotated is rotated while people pass, as docs/operations/keys.md says; nobody is refused.

One process of each kind runs here, so that a restart is a gap in which a gate asks again; in a cluster the pods restart
one after the other and there is none.
"""

from __future__ import annotations

import json
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from jwt.algorithms import ECAlgorithm

from guanka.home import Home
from guanka.keys import AUDIENCE, ISSUER, SHIPPED_POLICY
from services.checkpoints.signed_policies import sign_policy
from tests.e2e.outsider import Outsider, eventually, new_document, new_scan
from tests.running import Product, running_product

AHEAD = timedelta(seconds=60)
"""Instead of a day: longer than codes' restart and the half minute after which checkpoints reads its keys again."""


class Traveller:
    """Shows a new pass and walks through a gate, again and again; keeps what every gate said and who had signed."""

    def __init__(self, outside: Outsider, product: Product) -> None:
        self._outside, self._product = outside, product
        self._mall, self._person = outside.checkpoint(), outside.healthy()
        eventually(lambda: outside.scan_person(outside.checkpoint(), self._person)["decision"] == "pass")
        self.decisions: list[tuple[str, str, str | None]] = []

    def walk(self, stop: threading.Event) -> None:
        while not stop.wait(1.1):
            shown = self._again(lambda: self._outside.pass_of(self._person), stop)
            if shown is not None:
                scan = new_scan(self._mall, {"pass": shown})
                answer = self._again(lambda scan=scan: self._send(scan), stop)
                if answer is not None:
                    told = (answer.get("decision", "none"), answer.get("refusal") or answer.get("code"))
                    self.decisions.append((jwt.get_unverified_header(shown)["kid"], *told))

    def _send(self, scan: dict[str, Any]) -> dict[str, Any]:
        """To a process that is ready: to no other does a cluster send a gate."""
        while not _is_ready(self._product, "checkpoints-api"):
            time.sleep(0.1)
        return dict(self._outside.send(scan).json())

    @staticmethod
    def _again(ask: Callable[[], Any], stop: threading.Event) -> Any:
        """Until a process answers, that is just starting; a gate sends a scan again under its `scan_id`."""
        while not stop.is_set():
            try:
                return ask()
            except httpx.TransportError:
                time.sleep(0.1)
        return None


@contextmanager
def walking(traveller: Traveller) -> Iterator[None]:
    stop = threading.Event()
    thread = threading.Thread(target=traveller.walk, args=(stop,))
    thread.start()
    yield
    stop.set()
    thread.join(30)


@pytest.fixture(scope="module")
def product() -> Iterator[Product]:
    with running_product() as own:
        yield own


def restart(product: Product, *names: str) -> None:
    """One after the other, each ready before the next one ends."""
    for name in names:
        ended = product.kill(name)
        eventually(lambda name=name, ended=ended: product.pid_of(name) != ended and _is_ready(product, name), 60)


def _is_ready(product: Product, name: str) -> bool:
    try:
        port = product.running["processes"][name]["port"]
        return httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=2).status_code == 200
    except httpx.TransportError:
        return False


def pem(key: ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def public(key: ec.EllipticCurvePrivateKey, kid: str, **more: str) -> dict[str, Any]:
    return ECAlgorithm.to_jwk(key.public_key(), as_dict=True) | {"kid": kid, "use": "sig", "alg": "ES256"} | more


def change(path: Path, mend: Callable[[dict[str, Any]], None]) -> None:
    document = json.loads(path.read_text())
    mend(document)
    path.write_text(json.dumps(document))


def test_every_key_is_rotated_and_nobody_is_refused(product: Product) -> None:
    outside, keys = Outsider(product), Home(product.home).keys
    traveller = Traveller(outside, product)
    document = new_document()
    before = outside.enrol(document=document)
    new_policy_key, new_issuer_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    with walking(traveller):
        # 1. the new keys beside the old ones; of signing keys, a day before their time (here: less than a minute)
        comes_at = (datetime.now(UTC) + AHEAD).isoformat()

        def add_signing(signing: dict[str, Any]) -> None:
            for kind, listed in signing.items():
                fresh = pem(ec.generate_private_key(ec.SECP256R1()))
                listed.append({"kid": f"{kind[:2]}-new", "private_key_pem": fresh, "not_before": comes_at})

        def add_data(data: dict[str, Any]) -> None:
            data["keys"]["d2"] = secrets.token_hex(32)

        change(keys / "signing.json", add_signing)
        change(keys / "data.json", add_data)
        policy = public(new_policy_key, "po-new", typ="policy+jwt")
        change(keys / "policy.jwks.json", lambda jwks: jwks["keys"].append(policy))
        change(keys / "issuer.jwks.json", lambda jwks: jwks["keys"].append(public(new_issuer_key, "is-new")))
        # 2. each process reads its files when it starts
        processes = [f"{s}-{kind}" for s in ("codes", "checkpoints", "ledger") for kind in ("api", "worker")]
        restart(product, *processes)
        published = outside.get("codes", "/.well-known/jwks.json").json()["keys"]
        assert {each["kid"] for each in published} >= {"pa-new", "pr-new", "st-new"}
        # 3. now that all can open what the new data key seals, it seals
        change(keys / "data.json", lambda data: data.update(current="d2"))
        restart(product, *processes)
        # 4. the time of the signing keys comes
        eventually(lambda: any(kid == "pa-new" for kid, *_ in traveller.decisions), 90)
        seen = len(traveller.decisions)
        eventually(lambda: len(traveller.decisions) > seen + 3, 30)
    assert {told[1:] for told in traveller.decisions} == {("pass", None)}
    assert len({kid for kid, *_ in traveller.decisions}) == 2

    printed = outside.pass_of(before, "printed")
    assert jwt.get_unverified_header(printed)["kid"] == "pr-new"
    listed = outside.get("codes", "/v1/status-lists/1").text
    assert jwt.get_unverified_header(listed)["kid"] == "st-new"
    assert outside.enrol(document=document) == before, "what the old data key sealed opens beside the new one"
    assert _published_under_the_new_key(outside, new_policy_key).status_code == 201
    assert _asked_with_a_token_of_the_new_issuer_key(product, new_issuer_key).status_code == 200


def _published_under_the_new_key(outside: Outsider, key: ec.EllipticCurvePrivateKey) -> httpx.Response:
    now = datetime.now(UTC)
    document = json.loads(SHIPPED_POLICY.read_text()) | {"policy": "rotated@1"}
    signed = sign_policy(document, kid="po-new", private_key=key, now=now, effective_from=now)
    return outside.post("checkpoints", "/v1/policies", outside.token("operator"), {"policy": signed})


def _asked_with_a_token_of_the_new_issuer_key(product: Product, key: ec.EllipticCurvePrivateKey) -> httpx.Response:
    now = datetime.now(UTC)
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": "operator-new", "iat": now, "exp": now + timedelta(hours=1)}
    claims |= {"roles": ["operator"], "area": "4401"}
    token = jwt.encode(claims, key, algorithm="ES256", headers={"kid": "is-new"})
    headers = {"Authorization": f"Bearer {token}"}
    return httpx.get(f"{product.address('checkpoints')}/v1/policies", headers=headers)
