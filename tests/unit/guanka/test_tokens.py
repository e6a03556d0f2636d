"""Development tokens: a subject for each role, and for a service what it may do."""

from __future__ import annotations

import re
from pathlib import Path

import jwt
import pytest
from typer.testing import CliRunner

from chassis.auth import ROLES
from guanka.home import ROOT, Home
from guanka.keys import OWN_SCOPES, SERVICE_SCOPES, make_keys
from guanka.main import app

_NAMED = re.compile(r'needs\([^)]*scope="([a-z]+)"\)')


@pytest.fixture
def claims(tmp_path: Path):
    make_keys(Home(tmp_path))
    runner = CliRunner()

    def printed(*arguments: str) -> dict[str, object]:
        done = runner.invoke(app, ["token", *arguments], env={"GUANKA_HOME": str(tmp_path)})
        if done.exit_code:
            return {"refused": done.output}
        [token] = done.stdout.splitlines()
        return jwt.decode(token, options={"verify_signature": False})

    return printed


def test_every_role_has_a_subject_of_its_own_and_one_is_given_by_name(claims) -> None:
    subjects = {role: claims(role)["sub"] for role in sorted(ROLES)}
    assert len(set(subjects.values())) == len(ROLES)
    assert claims("approver", "--subject", "li")["sub"] == "li"


def test_a_service_may_do_all_unless_scopes_are_named(claims) -> None:
    assert claims("service")["scope"] == " ".join(SERVICE_SCOPES)
    assert claims("service", "--scope", "evidence", "--scope", "masks")["scope"] == "evidence masks"
    assert "scope" not in claims("operator")
    for wrong in (("operator", "--scope", "evidence"), ("service", "--scope", "everything")):
        assert "--scope is for the role service" in str(claims(*wrong)["refused"])


def test_the_scopes_are_those_that_the_services_ask_for() -> None:
    sources = (path.read_text() for path in (ROOT / "services").glob("*/api/*.py"))
    assert sorted({name for source in sources for name in _NAMED.findall(source)}) == sorted(SERVICE_SCOPES)
    assert {scope for scopes in OWN_SCOPES.values() for scope in scopes} <= set(SERVICE_SCOPES)
