"""The keys of the embedded default, made once at first start; production brings its own (see docs/operations.md)."""

from __future__ import annotations

import json
import secrets
from datetime import UTC, datetime, timedelta
from pathlib import Path

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from guanka.home import Home, NotRunning, write_whole

ISSUER = "guanka-development"
AUDIENCE = "guanka"
CITY = "4401"
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
            raise NotRunning(f"There is no development issuer in {home.path} yet; start Guanka once.") from None
        self._key = serialization.load_pem_private_key(pem, None)

    def token(
        self,
        role: str,
        *,
        area: str = CITY,
        subject: str | None = None,
        checkpoints: list[str] | None = None,
        person: str | None = None,
        life: timedelta = timedelta(hours=12),
    ) -> str:
        """A bearer token as the HTTP contract describes it."""
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
        if checkpoints:
            claims["checkpoints"] = checkpoints
        if person:
            claims["person_ref"] = person
        return jwt.encode(claims, self._key, algorithm="ES256", headers={"kid": _ISSUER_KID})  # type: ignore[arg-type]
