"""The development keys of `deploy/k8s/overlays/local` and `deploy/compose.yaml`: this home's, and a password."""

from __future__ import annotations

import secrets
import shutil
from datetime import timedelta
from pathlib import Path

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
    if not (folder / "postgres.env").exists():
        password = secrets.token_hex(16)
        write_whole(folder / "postgres.env", f"POSTGRES_PASSWORD={password}\n", mode=_OWNER_ONLY)
        for service in SERVICES:
            url = f"postgresql://guanka:{password}@postgres:5432/{service}"
            write_whole(folder / f"{service}.env", f"DATABASE_URL={url}\n", mode=_OWNER_ONLY)
    token = TokenIssuer(home).token(
        "service", subject="checkpoints", scopes=OWN_SCOPES["checkpoints"], life=_TOKEN_LIFE
    )
    write_whole(folder / "checkpoints.token", token, mode=_OWNER_ONLY)
    return sorted(folder.iterdir())
