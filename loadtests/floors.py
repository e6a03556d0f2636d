"""The floors of `make bench`: programs that do only what cannot be left out, served by the same server and flags.

    python -m loadtests.floors scan PORT JWKS_FILE
    python -m loadtests.floors scan_direct PORT JWKS_FILE
    python -m loadtests.floors mint PORT SIGNING_PEM DATABASE_URL ISSUER_JWKS_FILE

`scan` reads the body, verifies the ES256 signature of its pass and answers. `mint` verifies the bearer (and remembers
it, as the services do), reads one row by its primary key, signs a pass of the usual claims and answers. Both are raw
ASGI. A single scan is taken below ASGI (chassis/direct.py), which that floor pays for and the scan does not; so
`scan_direct` does the work of `scan` where scans are taken.
"""

from __future__ import annotations

import base64
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
import psycopg
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePrivateKey, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from jwt.algorithms import ECAlgorithm
from starlette.types import Receive, Scope, Send

from chassis.app import run_until_signalled, server
from chassis.auth import TokenReader
from chassis.direct import Headers, Respond, Take
from guanka.keys import AUDIENCE, ISSUER

_ES256 = ECDSA(SHA256())
_PASSED = b'{"decision":"pass"}'


class ScanFloor:
    def __init__(self, jwks: dict[str, Any]) -> None:
        self._keys: dict[str, EllipticCurvePublicKey] = {
            key["kid"]: ECAlgorithm.from_jwk(key)  # type: ignore[misc]
            for key in jwks["keys"]
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await _lifespan(receive, send)
        self.verify(await _body(receive))
        return await _answer(send, 200, _PASSED)

    def verify(self, body: bytes) -> None:
        """Raises InvalidSignature."""
        token = orjson.loads(body)["credential"]["pass"]
        signed, _, signature = token.rpartition(".")
        key = self._keys[orjson.loads(_decoded(signed.partition(".")[0]))["kid"]]
        raw = _decoded(signature)
        der = encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
        key.verify(der, signed.encode(), _ES256)


class DirectScanFloor(ScanFloor):
    """`chassis.direct.AnswersDirectly`: every request of the bench is small and whole, so ASGI sees none of them."""

    def directly(self, _target: bytes, _headers: Headers) -> Take:
        return self._take

    def _take(self, body: bytes, respond: Respond) -> None:
        self.verify(body)
        respond(200, _PASSED)


class MintFloor:
    def __init__(self, key: EllipticCurvePrivateKey, database_url: str, issuer_jwks: str) -> None:
        self._key, self._database_url = key, database_url
        self._tokens = TokenReader(issuer_jwks, issuer=ISSUER, audience=AUDIENCE)
        self._connections: list[psycopg.AsyncConnection[Any]] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await _lifespan(receive, send)
        await _body(receive)
        self._tokens.read(dict(scope["headers"])[b"authorization"].decode())
        list_number, idx = await self._entry(UUID(scope["path"].split("/")[3]))
        now = int(time.time())
        uri = f"https://guanka.example/s/{list_number}"
        claims = {"iat": now, "exp": now + 60, "status": {"status_list": {"idx": idx, "uri": uri}}}
        header = {"alg": "ES256", "kid": "floor", "typ": "pass+jwt"}
        signed = _encoded(orjson.dumps(header)) + b"." + _encoded(orjson.dumps(claims))
        r, s = decode_dss_signature(self._key.sign(signed, _ES256))
        token = signed + b"." + _encoded(r.to_bytes(32, "big") + s.to_bytes(32, "big"))
        return await _answer(send, 201, b'{"token":"' + token + b'"}')

    async def _entry(self, person_ref: UUID) -> tuple[int, int]:
        connection = self._connections.pop() if self._connections else await self._connect()
        try:
            cursor = await connection.execute("SELECT list, idx FROM person WHERE person_ref = %s", (person_ref,))
            row = await cursor.fetchone()
        finally:
            self._connections.append(connection)
        assert row is not None
        return row

    async def _connect(self) -> psycopg.AsyncConnection[Any]:
        return await psycopg.AsyncConnection.connect(self._database_url, autocommit=True, prepare_threshold=0)


async def _body(receive: Receive) -> bytes:
    body: bytes = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body", False):
            return body


async def _answer(send: Send, status: int, body: bytes) -> None:
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


def _decoded(segment: str) -> bytes:
    return base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4))


def _encoded(raw: bytes) -> bytes:
    return base64.urlsafe_b64encode(raw).rstrip(b"=")


def main(arguments: Sequence[str]) -> int:
    app: ScanFloor | MintFloor
    match arguments:
        case ["scan" | "scan_direct" as name, port, jwks]:
            floor = ScanFloor if name == "scan" else DirectScanFloor
            app = floor(json.loads(Path(jwks).read_text()))
        case ["mint", port, pem, database_url, issuer_jwks]:
            key = load_pem_private_key(Path(pem).read_bytes(), None)
            assert isinstance(key, EllipticCurvePrivateKey)
            app = MintFloor(key, database_url, issuer_jwks)
        case _:
            print(__doc__, file=sys.stderr)
            return 2
    running = server(app, host="127.0.0.1", port=int(port))
    run_until_signalled(running)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
