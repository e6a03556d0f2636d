"""Every service is started, mended and asked in the same words, whoever runs it."""

from __future__ import annotations

import os
import subprocess
import sys

import psycopg
import pytest

from guanka.home import Home
from guanka.keys import make_keys
from guanka.stack import STATUS_LIST_URI
from tests.running import ROOT


@pytest.mark.parametrize("service", ["codes", "checkpoints", "ledger", "console"])
def test_a_dead_letter_that_is_not_there_is_answered_with_status_1_and_an_unknown_command_with_2(
    service: str, migrated, tmp_path
) -> None:
    home = Home(tmp_path)
    make_keys(home)
    (home.keys / "service.token").write_text("token")
    environment = {
        **os.environ,
        "DATABASE_URL": migrated(service),
        "EVENT_LOG_URL": "kafka:127.0.0.1:1",
        "HTTP_PORT": "0",
        "AUTH_ISSUER": "issuer",
        "AUTH_JWKS": str(home.keys / "issuer.jwks.json"),
        "AREA_FILE": str(ROOT / "data" / "guangzhou" / "areas.csv"),
        "CITY_KEY_FILE": str(home.keys / "city.key"),
        "DATA_KEYS_FILE": str(home.keys / "data.json"),
        "POLICY_FILE": str(home.keys / "policy.jws"),
        "POLICY_KEYS_FILE": str(home.keys / "policy.jwks.json"),
        "SIGNING_KEYS_FILE": str(home.keys / "signing.json"),
        "STATUS_LIST_URI": STATUS_LIST_URI,
        "SERVICE_TOKEN_FILE": str(home.keys / "service.token"),
        "CODES_URL": "http://127.0.0.1:1",
    }

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", f"services.{service}.main", *arguments]
        return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)

    assert (done := run("replay", "7")).returncode == 1, done.stderr
    assert run("dance").returncode == 2
    with psycopg.connect(environment["DATABASE_URL"]) as connection:
        assert connection.execute("SELECT count(*) FROM dead_letter").fetchone() == (0,)
