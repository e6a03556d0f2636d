"""The roles of api and worker: in their own database what they need, elsewhere nothing, and no power over tables."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from psycopg import errors

from guanka.postgres import EmbeddedPostgres
from services.checkpoints.partitions import detach_partitions, make_first_partitions, make_partitions, partition_name
from tests.conftest import ROOT

SERVICES = ("codes", "checkpoints", "ledger", "console")
KINDS = ("api", "worker")
NOW = datetime.now(UTC)


@dataclass
class Place:
    """Every service's database, migrated by its owner, as `deploy` has them."""

    server: EmbeddedPostgres

    def url(self, service: str, role: str) -> str:
        return self.server.url(f"rights_{service}").replace("//postgres@", f"//{role}@")

    def run(self, service: str, role: str, statement: str) -> list[tuple[object, ...]]:
        with psycopg.connect(self.url(service, role), autocommit=True) as connection:
            done = connection.execute(statement.encode())
            return done.fetchall() if done.description else []

    def migrate(self, service: str) -> None:
        environment = {
            **os.environ,
            "DATABASE_URL": self.url(service, f"rights_{service}"),
            "DATABASE_API_ROLE": f"rights_{service}_api",
            "DATABASE_WORKER_ROLE": f"rights_{service}_worker",
        }
        command = [sys.executable, "-m", f"services.{service}.main", "migrate"]
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def place(postgres: EmbeddedPostgres) -> Iterator[Place]:
    made = Place(postgres)
    with psycopg.connect(postgres.url("postgres"), autocommit=True) as connection:
        for service in SERVICES:
            name = f"rights_{service}"
            for role in (name, f"{name}_api", f"{name}_worker"):
                connection.execute(f"CREATE ROLE {role} LOGIN".encode())
            connection.execute(f"GRANT {name}_worker TO {name}".encode())
            connection.execute(f"CREATE DATABASE {name} OWNER {name}".encode())
    for service in SERVICES:
        made.migrate(service)
    yield made
    with psycopg.connect(postgres.url("postgres"), autocommit=True) as connection:
        for service in SERVICES:
            connection.execute(f"DROP DATABASE rights_{service} WITH (FORCE)".encode())
        for service in SERVICES:
            for role in (f"rights_{service}_api", f"rights_{service}", f"rights_{service}_worker"):
                connection.execute(f"DROP ROLE {role}".encode())


@pytest.fixture(params=[(service, kind) for service in SERVICES for kind in KINDS], ids="-".join)
def process(request: pytest.FixtureRequest) -> tuple[str, str]:
    """(service, role) of a process."""
    service, kind = request.param
    return service, f"rights_{service}_{kind}"


def tables(place: Place, service: str) -> dict[str, int]:
    """Those that are no partitions; and which changes an append-only trigger refuses (bits of tgtype)."""
    rows = place.run(
        service,
        f"rights_{service}",
        "SELECT c.relname, coalesce(bit_or(t.tgtype) FILTER (WHERE t.tgname LIKE '%append_only'), 0)::int "
        "FROM pg_class c LEFT JOIN pg_trigger t ON t.tgrelid = c.oid WHERE c.relnamespace = 'public'::regnamespace "
        "AND c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relname !~ '^scan_day' GROUP BY 1",
    )
    return {str(name): int(str(refused)) for name, refused in rows}


def test_a_process_reads_every_table_of_its_own_and_connects_nowhere_else(
    place: Place, process: tuple[str, str]
) -> None:
    service, role = process
    for table in tables(place, service):
        place.run(service, role, f"TABLE {table} LIMIT 1")
    for other in {*SERVICES} - {service}:
        with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
            place.run(other, role, "SELECT 1")


def test_a_process_may_change_what_no_trigger_keeps_and_nothing_else(place: Place, process: tuple[str, str]) -> None:
    service, role = process
    for table, refused in tables(place, service).items():
        for word, bit in (("UPDATE", 16), ("DELETE", 8)):
            ((may,),) = place.run(service, role, f"SELECT has_table_privilege('{table}', '{word}')")
            owns = (service, table) == ("checkpoints", "scan") and role.endswith("worker")
            assert may == (owns or (not refused & bit and table != "alembic_version")), (table, word)


DENIED = [
    "CREATE TABLE mine (a int)",
    "CREATE SCHEMA mine",
    "CREATE TEMP TABLE mine (a int)",
    "DROP TABLE outbox",
    "ALTER TABLE outbox ADD COLUMN mine int",
    "TRUNCATE outbox",
    "UPDATE alembic_version SET version_num = 'mine'",
    "DELETE FROM alembic_version",
    "CREATE ROLE mine",
    "ALTER ROLE CURRENT_USER SUPERUSER",
    "SET ROLE postgres",
    "COPY outbox TO PROGRAM 'cat'",
    "SELECT pg_read_file('/etc/passwd')",
]


@pytest.mark.parametrize("statement", DENIED)
def test_a_process_has_no_power_over_its_database(place: Place, process: tuple[str, str], statement: str) -> None:
    service, role = process
    if (service, statement) == ("checkpoints", DENIED[0]) and role.endswith("worker"):
        statement = "CREATE TABLE elsewhere.mine (a int)"  # this one makes the days of its scans, and nothing elsewhere
    with pytest.raises((errors.InsufficientPrivilege, errors.UndefinedTable, errors.InvalidSchemaName)) as refused:
        place.run(service, role, statement)
    has_outbox = "outbox" in tables(place, service)
    assert isinstance(refused.value, errors.InsufficientPrivilege | errors.InvalidSchemaName) or not has_outbox
    with pytest.raises(errors.InsufficientPrivilege):
        place.run(service, role, f"SET ROLE rights_{service}")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("service", "table"), [("ledger", "journal_link"), ("codes", "access_log")])
def test_what_is_only_added_to_stays_so_and_its_trigger_too(place: Place, service: str, table: str, kind: str) -> None:
    role = f"rights_{service}_{kind}"
    for statement in (
        f"DELETE FROM {table}",  # noqa: S608 (our own name)
        f"TRUNCATE {table}",
        f"ALTER TABLE {table} DISABLE TRIGGER ALL",
        "SET session_replication_role = replica",
    ):
        with pytest.raises(errors.InsufficientPrivilege):
            place.run(service, role, statement)


def test_the_worker_of_checkpoints_makes_and_takes_days_and_the_api_does_not(place: Place) -> None:
    worker, api = (place.url("checkpoints", f"rights_checkpoints_{kind}") for kind in ("worker", "api"))
    assert make_first_partitions(api, lambda: NOW) == 0, "migrating has made them"
    later = NOW + timedelta(days=20)
    with pytest.raises(errors.InsufficientPrivilege):
        make_first_partitions(api, lambda: later, patience_s=0.3)
    assert make_partitions(worker, later) > 0
    assert make_first_partitions(api, lambda: later) == 0
    taken = detach_partitions(worker, NOW + timedelta(days=60), history_days=28)
    assert taken
    for day in taken:
        place.run("checkpoints", "rights_checkpoints_worker", f"DROP TABLE {partition_name(day)}")
    place.run("checkpoints", "rights_checkpoints_worker", "TRUNCATE used_pass_1")
    with pytest.raises(errors.InsufficientPrivilege):
        place.run("checkpoints", "rights_checkpoints_api", "TRUNCATE used_pass_1")


def test_migrating_again_gives_the_same_rights(place: Place) -> None:
    def rights(service: str) -> list[tuple[object, ...]]:
        """Of tables that are no days."""
        asked = "SELECT relname, relacl::text, relowner::regrole::text FROM pg_class"
        ours = f"{asked} WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND relname !~ '_day_'"
        return sorted(place.run(service, f"rights_{service}", ours), key=str)

    for service in ("codes", "checkpoints"):
        role = f"rights_{service}_api"
        before = rights(service)
        place.run(service, f"rights_{service}", f"GRANT TRUNCATE ON outbox TO {role}")
        place.migrate(service)
        place.migrate(service)
        assert [each for each in rights(service) if each not in before] == []


@pytest.fixture
def moved(migrated: Callable[[str], str]) -> str:
    return migrated("codes")


def test_one_role_without_the_other_is_refused(moved: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "services.codes.main", "migrate"],
        cwd=ROOT, env={**os.environ, "DATABASE_URL": moved, "DATABASE_API_ROLE": "codes_api"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "come together" in done.stderr
