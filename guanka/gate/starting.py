"""Where a gate finds its server, its token and its memory."""

from __future__ import annotations

import io
import ssl
import sys
from pathlib import Path
from typing import Any
from uuid import UUID

import structlog

from chassis.reach import require_private, trusting
from guanka.gate import run
from guanka.gate.areas import read_area_names
from guanka.home import REFERENCE, Home, NotRunning, write_whole
from guanka.keys import TokenIssuer
from services.checkpoints.signed import POLICY, read_key_file


def start(
    home: Home,
    *,
    checkpoint: str,
    file: Path | None,
    server: str | None,
    token_file: Path | None,
    state: Path | None,
    is_offline: bool,
    is_json: bool,
    takes_json_lines: bool,
    takes_forms: bool,
    policy_keys: Path | None,
    ca: Path | None = None,
    areas: Path | None = None,
) -> int:
    """The exit status. Raises `NotRunning`, OSError, ValueError with what is missing."""
    trust = _trust(ca)
    policy_jwks = None if policy_keys is None else _policy_jwks(policy_keys)
    area_names = read_area_names(areas or REFERENCE / "areas.csv") if takes_forms else None
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    identifier = str(UUID(checkpoint))
    folder = state or home.path / "gates" / identifier
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    address = _address(home, folder, server)
    token = token_file.read_text().strip() if token_file else TokenIssuer(home).token("gate", checkpoints=[identifier])
    source = None if file is None else str(file.resolve())
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="replace")  # a code may hold any bytes, in any locale
    with sys.stdin if file is None else file.open(encoding="utf-8", errors="replace") as lines:
        return run(
            checkpoint=identifier,
            server=address,
            token=token,
            state=folder,
            lines=lines,
            source=source,
            is_offline=is_offline,
            is_json=is_json,
            takes_json_lines=takes_json_lines,
            takes_forms=takes_forms,
            policy_jwks=policy_jwks,
            trust=trust,
            areas=area_names,
        )


def _policy_jwks(file: Path) -> dict[str, Any]:
    try:
        return read_key_file(file, POLICY)[0]
    except ValueError as error:
        raise ValueError(f"--policy-keys: {error}") from None


def _address(home: Home, folder: Path, server: str | None) -> str:
    """The server that is named, or that runs here, or that this gate had last time."""
    known = folder / "server"
    try:
        address = server or home.address("checkpoints")
    except NotRunning:
        if not known.exists():
            raise
        return known.read_text()
    write_whole(known, _private(address))
    return address


def _private(address: str) -> str:
    """A gate's token, and passes, must not be read on the way. Raises ValueError."""
    try:
        return require_private(address)
    except ValueError as error:
        raise ValueError(f"--server {str(error).replace('TLS_CA_FILE', '--ca')}") from None


def _trust(ca: Path | None) -> ssl.SSLContext:
    try:
        return trusting(ca)
    except OSError as error:
        raise ValueError(f"--ca: {ca} cannot be used ({type(error).__name__})") from None
