"""The keys of the embedded default, made once at first start; production brings its own (see docs/operations.md)."""

from __future__ import annotations

import json
import secrets
from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from guanka.home import ROOT, Home, NotRunning, write_whole

SHIPPED_POLICY = ROOT / "services" / "checkpoints" / "policies" / "default.json"
ISSUER = "guanka-development"
AUDIENCE = "guanka"
CITY = "4401"
SERVICE_SCOPES = ("board", "devices", "evidence", "figures", "masks", "places", "policies", "standings", "traces")
"""All that a service may do, as the claim `scope` names it (docs/operations.md)."""
OWN_SCOPES = {"checkpoints": ("masks", "standings")}
"""What each of the product's own services asks of another."""
_ISSUER_KID = "development"
_OWNER_ONLY = 0o600


def make_keys(home: Home) -> None:
    """Make what is missing under `keys/`; nothing that exists is touched."""
    home.keys.mkdir(parents=True, exist_ok=True, mode=0o700)
    home.keys.chmod(0o700)
    _once(home.keys / "city.key", lambda: secrets.token_hex(32))
    _once(home.keys / "data.json", lambda: json.dumps({"current": "d1", "keys": {"d1": secrets.token_hex(32)}}))
    _once(home.keys / "signing.json", _signing_keys)
    _once(home.keys / "issuer.pem", _private_pem)
    _once(home.keys / "policy.json", _policy_key)
    _once(home.keys / "policy.jwks.json", lambda: _policy_jwks(PolicySigner(home)))
    _once(home.keys / "policy.jws", lambda: PolicySigner(home).sign(json.loads(SHIPPED_POLICY.read_text())))
    write_whole(home.keys / "issuer.jwks.json", _issuer_jwks(home.keys / "issuer.pem"), mode=_OWNER_ONLY)


def _once(path: Path, make: object) -> None:
    if not path.exists():
        assert callable(make)
        write_whole(path, str(make()), mode=_OWNER_ONLY)


def _private_pem() -> str:
    return (
        ec.generate_private_key(ec.SECP256R1())
        .private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        .decode()
    )


def _signing_keys() -> str:
    """One key for each thing that codes signs, usable at once: a fresh city has no gate that must learn it first."""
    not_before = datetime.now(UTC).isoformat()
    return json.dumps(
        {
            kind: [
                {
                    "kid": f"{kind[:2]}-{secrets.token_hex(3)}",
                    "private_key_pem": _private_pem(),
                    "not_before": not_before,
                }
            ]
            for kind in ("pass", "printed-pass", "status-list")
        }
    )


def _policy_key() -> str:
    return json.dumps({"kid": f"po-{secrets.token_hex(3)}", "private_key_pem": _private_pem()})


def _policy_jwks(signer: PolicySigner) -> str:
    return json.dumps({"keys": [signer.public_jwk()]})


class PolicySigner:
    """The development key of policies, of its own: whoever holds it says what gates do."""

    def __init__(self, home: Home) -> None:
        try:
            written = json.loads((home.keys / "policy.json").read_text())
        except FileNotFoundError:
            raise NotRunning(
                f"There is no key for policies in {home.path} yet; start Guanka once, or set GUANKA_HOME. "
                "In production the city's office signs policies."
            ) from None
        self._kid = str(written["kid"])
        key = serialization.load_pem_private_key(written["private_key_pem"].encode(), None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        self._key = key

    def public_jwk(self) -> dict[str, object]:
        public = ECAlgorithm.to_jwk(self._key.public_key(), as_dict=True)
        return {**public, "kid": self._kid, "use": "sig", "alg": "ES256", "typ": "policy+jwt"}

    def sign(self, document: Mapping[str, Any], *, effective_from: datetime | None = None) -> str:
        """The signed policy, in force from a moment on; from now on without one."""
        from services.checkpoints.signed_policies import sign_policy

        now = datetime.now(UTC)
        return sign_policy(
            document, kid=self._kid, private_key=self._key, now=now, effective_from=effective_from or now
        )


def _issuer_jwks(pem: Path) -> str:
    key = serialization.load_pem_private_key(pem.read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    public = ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
    return json.dumps({"keys": [{**public, "kid": _ISSUER_KID, "use": "sig", "alg": "ES256"}]})


class TokenIssuer:
    """The development issuer: it exists only in the embedded default."""

    def __init__(self, home: Home) -> None:
        try:
            pem = (home.keys / "issuer.pem").read_bytes()
        except FileNotFoundError:
            raise NotRunning(
                f"There is no development issuer in {home.path} yet; start Guanka once, or set GUANKA_HOME. "
                "In production tokens come from the city's identity provider."
            ) from None
        self._key = serialization.load_pem_private_key(pem, None)

    def token(
        self,
        role: str,
        *,
        area: str = CITY,
        subject: str | None = None,
        checkpoints: list[str] | None = None,
        person: str | None = None,
        scopes: Collection[str] = SERVICE_SCOPES,
        life: timedelta = timedelta(hours=12),
    ) -> str:
        """A bearer token as the HTTP contract describes it; `scopes` are for a service alone."""
        now = datetime.now(UTC)
        claims: dict[str, object] = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": subject or f"development-{role}",
            "iat": now,
            "exp": now + life,
            "roles": [role],
            "area": area,
        }
        if role == "service":
            claims["scope"] = " ".join(scopes)
        if checkpoints:
            claims["checkpoints"] = checkpoints
        if person:
            claims["person_ref"] = person
        return jwt.encode(claims, self._key, algorithm="ES256", headers={"kid": _ISSUER_KID})  # type: ignore[arg-type]
