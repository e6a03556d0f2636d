"""The development keys of `deploy/k8s/overlays/local` and `deploy/compose.yaml`.

They are this home's, a password of the database, and certificates: of an authority of their own, for the broker, for
each service before the broker, and for codes' api, which checkpoints asks by https.
"""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from guanka.certificates import Authority, Issued
from guanka.home import ROOT, Home, write_whole
from guanka.keys import OWN_SCOPES, TokenIssuer, make_keys
from guanka.stack import SERVICES

FOLDER = ROOT / "deploy" / "k8s" / "overlays" / "local" / "keys"
_COPIED = ("city.key", "data.json", "signing.json", "issuer.jwks.json", "policy.jws", "policy.jwks.json")
_OWNER_ONLY = 0o600
_TOKEN_LIFE = timedelta(days=365)


def write_deployment_keys(home: Home, folder: Path) -> list[Path]:
    """Write what is missing there, and give its files; of what exists only checkpoints' token is made anew.

    The keys are the home's, so that `guanka token` speaks for the deployed product too.
    """
    make_keys(home)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder.chmod(0o700)
    for name in _COPIED:
        if not (folder / name).exists():
            shutil.copyfile(home.keys / name, folder / name)
            (folder / name).chmod(_OWNER_ONLY)
    _write_passwords(folder)
    _write_certificates(folder)
    token = TokenIssuer(home).token(
        "service", subject="checkpoints", scopes=OWN_SCOPES["checkpoints"], life=_TOKEN_LIFE
    )
    write_whole(folder / "checkpoints.token", token, mode=_OWNER_ONLY)
    return sorted(folder.iterdir())


def _write_passwords(folder: Path) -> None:
    """One for each role; a service's owner migrates, its api and its worker come with rights of their own."""
    if (folder / "codes-api.env").exists():
        return
    passwords = {f"{service}{kind}": secrets.token_hex(16) for service in SERVICES for kind in ("", "_api", "_worker")}
    lines = [f"POSTGRES_PASSWORD={secrets.token_hex(16)}"]
    lines += [f"PASSWORD_OF_{role}={password}" for role, password in passwords.items()]
    _write(folder, "postgres.env", lines)
    for service in SERVICES:
        roles = {"migrate": service, "api": f"{service}_api", "worker": f"{service}_worker"}
        urls = {kind: f"postgresql://{role}:{passwords[role]}@postgres:5432/{service}" for kind, role in roles.items()}
        for kind, url in urls.items():
            _write(folder, f"{service}-{kind}.env", [f"DATABASE_URL={url}"])
        keys = {"OWNER_URL": urls["migrate"], "API_URL": urls["api"], "WORKER_URL": urls["worker"]}
        _write(folder, f"{service}-database.env", [f"{key}={url}" for key, url in keys.items()])


def _write(folder: Path, name: str, lines: Sequence[str]) -> None:
    write_whole(folder / name, "".join(f"{line}\n" for line in lines), mode=_OWNER_ONLY)


_ADMINISTRATOR = """security.protocol=SSL
ssl.keystore.type=PEM
ssl.keystore.location=/keys/kafka.pem
ssl.truststore.type=PEM
ssl.truststore.location=/keys/ca.crt
"""
"""With which Kafka's own tools come to the broker, in its container: as the broker itself."""


def _write_certificates(folder: Path) -> None:
    """All of one authority: made together, once, and its key beside them."""
    if (folder / "authority.pem").exists():
        return
    authority, here = Authority.make(), ["localhost", "127.0.0.1"]
    broker = authority.issue("administrator", ["kafka", *here])
    _write_pair(folder, "https", authority.issue("codes-api", ["codes-api", *here]))
    for service in SERVICES:
        _write_pair(folder, service, authority.issue(service))
    write_whole(folder / "kafka.pem", broker.key + broker.certificate, mode=_OWNER_ONLY)
    write_whole(folder / "administrator.properties", _ADMINISTRATOR, mode=_OWNER_ONLY)
    write_whole(folder / "ca.crt", authority.certificate, mode=_OWNER_ONLY)
    write_whole(folder / "authority.pem", authority.key, mode=_OWNER_ONLY)


def _write_pair(folder: Path, name: str, issued: Issued) -> None:
    write_whole(folder / f"{name}.crt", issued.certificate, mode=_OWNER_ONLY)
    write_whole(folder / f"{name}.key", issued.key, mode=_OWNER_ONLY)
