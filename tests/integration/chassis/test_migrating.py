from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

SERVICES = Path(__file__).resolve().parents[3] / "services"


def migrating(service: str, url: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", f"services.{service}.main", "migrate"]
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(SERVICES.parent), "DATABASE_URL": url}
    return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize("service", sorted(path.parent.name for path in SERVICES.glob("*/migrations")))
def test_two_that_migrate_at_once_and_one_that_comes_later_all_end_well(service: str, fresh_database: str) -> None:
    for beginning in ([1, 2], [3]):
        started = [migrating(service, fresh_database) for _ in beginning]
        assert [(each.communicate(timeout=60)[1], each.returncode) for each in started] == [("", 0)] * len(started)
    with psycopg.connect(fresh_database) as connection:
        (versions,) = connection.execute("SELECT count(*) FROM alembic_version").fetchone() or (0,)
        (tables,) = connection.execute("SELECT count(*) FROM pg_tables WHERE tablename = 'consumer_offset'").fetchone()
    assert (versions, tables) == (1, 1)


def test_a_database_that_is_away_is_said_without_a_stack_or_the_password() -> None:
    failed = migrating("codes", "postgresql://guanka:do-not-tell@127.0.0.1:1/codes")
    said = failed.communicate(timeout=60)[1]
    assert said.startswith("DATABASE_URL: the database cannot be used now; nothing was changed.")
    assert "Traceback" not in said
    assert "do-not-tell" not in said
    assert failed.returncode == 1
