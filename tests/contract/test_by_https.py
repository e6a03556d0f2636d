"""codes by https: checkpoints and a gate believe the authority that they were given, and nobody else."""

from __future__ import annotations

import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from chassis.app import server_of
from chassis.auth import TokenReader
from chassis.database import Database
from chassis.problems import Problem
from chassis.reach import trusting
from chassis.settings import SettingsError, read_settings
from guanka.certificates import Authority
from guanka.gate.link import Away, Link, Refused
from guanka.home import ROOT
from services.checkpoints.codes_client import CodesClient, CodesUnavailable
from services.checkpoints.settings import CheckpointsSettings
from services.codes.main import compose_api, desk_of
from services.codes.settings import CodesSettings
from tests.integration.codes.city import ISSUER, Issuer, write_keys
from tests.serving import serving

STARTED = {
    "DATABASE_URL": "postgresql://nobody@/none",
    "EVENT_LOG_URL": "local:postgresql://nobody@/none",
    "HTTP_PORT": "0",
    "AUTH_ISSUER": "x",
    "AUTH_JWKS": "x",
    "AREA_FILE": "x",
    "SERVICE_TOKEN_FILE": "x",
    "CITY_KEY_FILE": "x",
    "DATA_KEYS_FILE": "x",
    "POLICY_FILE": "x",
    "POLICY_KEYS_FILE": "x",
    "STATUS_LIST_URI": "https://guanka.example/s",
}


@dataclass
class Codes:
    """codes, served by https; `folder` has `ca.crt`, `another.crt` and `service.token`."""

    address: str
    folder: Path


@pytest.fixture
def codes(migrated: Callable[[str], str], tmp_path: Path) -> Iterator[Codes]:
    issuer, authority = Issuer(), Authority.make()
    write_keys(tmp_path, issuer)
    token = issuer.headers("service")["Authorization"].removeprefix("Bearer ")
    issued = authority.issue("codes-api", ["127.0.0.1"])
    for name, content in {
        "service.token": token,
        "ca.crt": authority.certificate,
        "another.crt": Authority.make("another").certificate,
        "http.crt": issued.certificate,
        "http.key": issued.key,
    }.items():
        (tmp_path / name).write_text(content)
    settings = CodesSettings(
        database_url=migrated("codes"),
        event_log_url="local:postgresql://nowhere/none",
        http_port=0,
        auth_issuer=ISSUER,
        auth_jwks=str(tmp_path / "issuer.json"),
        area_file=ROOT / "data" / "guangzhou" / "areas.csv",
        city_key_file=tmp_path / "city.key",
        data_keys_file=tmp_path / "data.json",
        signing_keys_file=tmp_path / "signing.json",
        status_list_uri="https://guanka.example/s",
        http_certificate_file=tmp_path / "http.crt",
        http_key_file=tmp_path / "http.key",
    )
    database = Database(settings.database_url)
    with serving(server_of(compose_api(settings, desk_of(settings, database)), settings)) as (host, port):
        yield Codes(f"https://{host}:{port}", tmp_path)
    database.close()


def test_checkpoints_reads_keys_from_the_server_that_its_authority_knows(codes: Codes) -> None:
    token = codes.folder / "service.token"
    asking = CodesClient(codes.address, token, trust=trusting(codes.folder / "ca.crt"))
    assert {key["typ"] for key in asking.jwks()["keys"]} >= {"pass+jwt", "statuslist+jwt"}
    asking.close()
    for ca in (None, codes.folder / "another.crt"):
        deceived = CodesClient(codes.address, token, trust=trusting(ca))
        with pytest.raises(CodesUnavailable):
            deceived.jwks()
        deceived.close()
    elsewhere = CodesClient(
        codes.address.replace("127.0.0.1", "localhost"), token, trust=trusting(codes.folder / "ca.crt")
    )
    with pytest.raises(CodesUnavailable):
        elsewhere.jwks()
    elsewhere.close()


def test_many_requests_go_over_one_connection_and_it_ends_cleanly(codes: Codes) -> None:
    with httpx.Client(base_url=codes.address, verify=trusting(codes.folder / "ca.crt")) as client:
        assert [client.get("/.well-known/jwks.json").status_code for _ in range(20)] == [200] * 20
        refused = client.post("/v1/people", content=b"x" * 3_000_000)
        assert refused.status_code == 413
        assert client.get("/livez").status_code == 200


def test_the_issuers_keys_come_by_https_too(codes: Codes) -> None:
    """codes' own key set, in place of an issuer's: what is not known yet is 503, what is known is 401."""
    for ca, status in (("ca.crt", 401), ("another.crt", 503)):
        reader = TokenReader(
            f"{codes.address}/.well-known/jwks.json", issuer="x", audience="x", trust=trusting(codes.folder / ca)
        )
        token = (codes.folder / "service.token").read_text()
        with pytest.raises(Problem) as refused:
            reader.read(f"Bearer {token}")
        assert refused.value.status == status


def test_a_gate_asks_the_server_that_its_authority_knows(codes: Codes) -> None:
    token = (codes.folder / "service.token").read_text()
    trusted = Link(codes.address, token, trust=trusting(codes.folder / "ca.crt"))
    body = {"scan_id": str(uuid.uuid4()), "scanned_at": datetime.now(UTC).isoformat()}
    with pytest.raises(Refused) as refused:
        trusted.scan(body)
    assert refused.value.status == 404
    with pytest.raises(Away):
        Link(codes.address, token, trust=trusting(codes.folder / "another.crt")).scan(body)


@pytest.mark.parametrize("url", ["http://codes-api", "http://10.1.2.3:8001", "ftp://127.0.0.1", "codes-api"])
def test_checkpoints_does_not_start_with_codes_in_the_open(url: str) -> None:
    with pytest.raises(SettingsError, match="CODES_URL"):
        read_settings(CheckpointsSettings, STARTED | {"CODES_URL": url})
    for good in ("https://codes-api", "http://127.0.0.1:8001", "http://localhost:8001", "http://[::1]:8001"):
        assert read_settings(CheckpointsSettings, STARTED | {"CODES_URL": good}).codes_url == good


def test_a_gate_does_not_start_with_its_server_in_the_open(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "guanka.main", "gate", "--checkpoint", str(uuid.uuid4()), "--state", str(tmp_path)]
    ended = subprocess.run(
        [*command, "--server", "http://gates.city.example", "--offline"],
        capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, cwd=ROOT,
        env={"GUANKA_HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
    )  # fmt: skip
    assert ended.returncode != 0
    assert "--server is plain http to another machine" in ended.stderr + ended.stdout
    assert not (tmp_path / "server").exists()
