"""A client that another program generated from OpenAPI works against the running product."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import uuid
import venv
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from chassis.ids import uuid7
from guanka.stack import SERVICES
from tests.e2e.outsider import COMMUNITY, DISTRICT, Outsider, eventually, new_document
from tests.running import Product

ROOT = Path(__file__).resolve().parents[2]
LOCK = ROOT / "requirements" / "openapi.txt"
CONFIGURATION = "content_type_overrides:\n  application/statuslist+jwt: text/plain\n"


def generator() -> Path:
    """In an environment of its own, for the lock as it is now; the next run finds it."""
    folder = ROOT / "build" / f"openapi-{sys.version_info.major}.{sys.version_info.minor}"
    mark = folder / "lock.txt"
    if not mark.exists() or mark.read_bytes() != LOCK.read_bytes():
        venv.create(folder, with_pip=True, clear=True)
        install = [str(folder / "bin" / "python"), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
        subprocess.run([*install, "--require-hashes", "-r", str(LOCK)], check=True)
        mark.write_bytes(LOCK.read_bytes())
    return folder / "bin"


@pytest.fixture
def clients(product: Product, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, ModuleType]]:
    """By service; nothing of what the service describes was left out."""
    tools, outside = generator(), Outsider(product)
    (tmp_path / "configuration.yaml").write_text(CONFIGURATION)
    monkeypatch.syspath_prepend(str(tmp_path))
    made = {}
    for service in SERVICES:
        (tmp_path / f"{service}.json").write_bytes(outside.get(service, "/openapi.json").content)
        generated = subprocess.run(
            ["openapi-python-client", "generate", "--path", f"{service}.json", "--output-path", f"client_of_{service}",
             "--meta", "none", "--config", "configuration.yaml", "--fail-on-warning"],
            capture_output=True, text=True, check=False, cwd=tmp_path,
            env={**os.environ, "PATH": f"{tools}:{os.environ['PATH']}"},
        )  # fmt: skip
        assert generated.returncode == 0, generated.stdout + generated.stderr
        made[service] = importlib.import_module(f"client_of_{service}")
    yield made
    for name in [name for name in sys.modules if name.startswith("client_of_")]:
        del sys.modules[name]


def part(client: ModuleType, name: str) -> Any:
    return importlib.import_module(f"{client.__name__}.{name}")


def test_a_generated_client_goes_from_a_person_to_a_scan(product: Product, clients: dict[str, ModuleType]) -> None:
    outside = Outsider(product)

    def speaker(service: str, role: str, **bound: Any) -> Any:
        token = outside.token(role, **bound)
        return clients[service].AuthenticatedClient(base_url=product.address(service), token=token)

    codes, checkpoints, ledger = clients["codes"], clients["checkpoints"], clients["ledger"]
    operator = speaker("codes", "operator")
    person = part(codes, "models").PersonBody.from_dict(
        {"document": new_document(), "name": "王示例", "residence": {"area": COMMUNITY}}
    )
    enrolled = part(codes, "api.people.enrol_v1_people_post").sync(client=operator, body=person)
    declaration = part(codes, "models").DeclarationBody.from_dict(
        {"symptoms": [], "stays": [], "contact_with_case": False}
    )
    declare = part(codes, "api.people.make_declaration_v1_people_person_ref_declarations_post")
    declared = declare.sync(client=operator, person_ref=enrolled.person_ref, body=declaration)
    assert declared.code.colour == "green"

    place = part(checkpoints, "models").CheckpointIn.from_dict(
        {"kind": "mall", "name": "A mall", "venue": f"Mall {uuid.uuid4().hex[:8]}", "area": DISTRICT}
    )
    register = part(checkpoints, "api.checkpoints.register_v1_checkpoints_post")
    registered = register.sync(client=speaker("checkpoints", "operator"), body=place)
    gate = speaker("checkpoints", "gate", checkpoints=[str(registered.checkpoint_id)])
    mint = part(codes, "api.people.mint_pass_v1_people_person_ref_passes_post")

    def scanned() -> Any:
        shown = part(codes, "models").PassBody.from_dict({"kind": "shown"})
        token = mint.sync(client=operator, person_ref=enrolled.person_ref, body=shown).token
        scan = part(checkpoints, "models").ScanIn.from_dict(
            {
                "scan_id": str(uuid7()),
                "checkpoint_id": str(registered.checkpoint_id),
                "credential": {"pass": token},
                "scanned_at": datetime.now(UTC).isoformat(),
            }
        )
        return part(checkpoints, "api.scans.record_scan").sync(client=gate, body=scan)

    eventually(lambda: scanned().decision == "pass")
    assert part(ledger, "api.ledgers.read_ledgers_v1_ledgers_get").sync(client=speaker("ledger", "operator"))


def test_a_generated_client_reads_a_refusal_as_a_problem(product: Product, clients: dict[str, ModuleType]) -> None:
    codes = clients["codes"]
    nobody = codes.AuthenticatedClient(base_url=product.address("codes"), token="none")
    person = part(codes, "models").PersonBody.from_dict({"document": new_document(), "name": "王示例"})
    answer = part(codes, "api.people.enrol_v1_people_post").sync_detailed(client=nobody, body=person)
    assert (answer.status_code, answer.parsed.code) == (401, "unauthenticated")
