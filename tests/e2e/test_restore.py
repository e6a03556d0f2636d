"""The drill of docs/operations/backup.md: each service's database is restored from a dump of an earlier moment.

The product is stopped, the dump takes the database's place, the product starts, and `guanka restored SERVICE` brings
the others to it: then all agree again, and what is lost is exactly what the page says.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from guanka.postgres import EmbeddedPostgres
from tests.e2e.outsider import Outsider, eventually, new_scan
from tests.running import Product, running_product

WITHIN_S = 60.0


@pytest.fixture(scope="module")
def product() -> Iterator[Product]:
    with running_product() as own:
        yield own


@pytest.fixture
def outside(product: Product) -> Outsider:
    return Outsider(product)


def dump(product: Product, service: str, file: Path) -> None:
    """As docs/operations/backup.md says it."""
    url = product.running["databases"][service]
    subprocess.run([EmbeddedPostgres(product.home).programs / "pg_dump", "-Fc", "-f", file, url], check=True)


def restore(product: Product, service: str, file: Path) -> None:
    """Stop, put the dump in the database's place, start, and bring the others to it."""
    url = product.running["databases"][service]
    product.stop()
    server = EmbeddedPostgres(product.home)
    server.prepare()
    server.start()
    name = psycopg.conninfo.conninfo_to_dict(url)["dbname"]
    with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
        connection.execute(f'CREATE DATABASE "{name}"')
    restoring = [server.programs / "pg_restore", "--no-owner", "--exit-on-error", "-d", url, file]
    done = subprocess.run(restoring, capture_output=True, text=True, check=False)
    server.stop()
    assert done.returncode == 0, done.stderr
    product.start()
    eventually(lambda: _if_done(product.guanka("restored", service)), WITHIN_S)
    eventually(lambda: _if_done(product.guanka("doctor")), WITHIN_S)


def _if_done(done: subprocess.CompletedProcess[str]) -> bool:
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode == 0


def test_codes_from_a_dump(product: Product, outside: Outsider, tmp_path: Path) -> None:
    mall, case, kept = outside.checkpoint(), outside.healthy(), outside.healthy()
    dump(product, "codes", tmp_path / "codes.dump")
    lost = outside.healthy()
    printed = outside.pass_of(lost, "printed")
    outside.declare(kept, symptoms=["fatigue"])
    entry = outside.confirm(case)
    eventually(lambda: outside.code_of(case)["colour"] == "red")
    eventually(lambda: outside.scan(mall, {"pass": printed})["decision"] == "pass")

    restore(product, "codes", tmp_path / "codes.dump")

    assert outside.entries_of(case, "confirmed")[0]["entry_id"] == entry["entry_id"]
    eventually(lambda: outside.code_of(case)["colour"] == "red", WITHIN_S)
    eventually(lambda: outside.scan_person(mall, case)["decision"] == "stop")
    gone = outside.get("codes", f"/v1/people/{lost}/code", outside.token("authority"))
    assert gone.status_code == 404, "enrolled since the backup: lost"
    newcomers = [outside.healthy() for _ in range(3)]
    for each in newcomers:
        eventually(lambda someone=each: outside.scan_person(mall, someone)["decision"] == "pass")
    void = outside.scan(mall, {"pass": printed})
    assert (void["colour"], void["decision"]) == ("lapsed", "stop"), "a pass of the lost names nobody else"
    outside.declare(kept, symptoms=["fatigue"])
    eventually(lambda: outside.scan_person(mall, kept)["colour"] != "green")
    # codes tells a revision that it had told before, of something else: the console takes it.
    colour = outside.code_of(kept)["colour"]
    eventually(lambda: _colour_in_console(product, kept) == colour)


def test_ledger_from_a_dump(product: Product, outside: Outsider, tmp_path: Path) -> None:
    case, later = outside.healthy(), outside.healthy()
    entry = outside.confirm(case)
    eventually(lambda: outside.code_of(case)["colour"] == "red")
    dump(product, "ledger", tmp_path / "ledger.dump")
    lost = outside.confirm(later)
    eventually(lambda: outside.code_of(later)["colour"] == "red")

    restore(product, "ledger", tmp_path / "ledger.dump")

    assert outside.entries_of(case, "confirmed")[0]["entry_id"] == entry["entry_id"]
    assert outside.entries_of(later, "confirmed") == [], "opened since the backup: lost"
    assert outside.code_of(later)["colour"] == "red", "its evidence stands in codes until the entry is opened again"
    shown = product.guanka("tail", "ledger.events.v1", "--from-start", "--no-follow")
    assert lost["entry_id"] in shown.stdout, "the event log still names what is lost"
    again = outside.confirm(later)
    assert again["entry_id"] != lost["entry_id"]
    assert product.guanka("ledger", "verify").returncode == 0


def test_checkpoints_from_a_dump(product: Product, outside: Outsider, tmp_path: Path) -> None:
    mall, person = outside.checkpoint(), outside.healthy()
    eventually(lambda: outside.scan_person(mall, person)["decision"] == "pass")
    before = len(outside.scans_of(mall))
    dump(product, "checkpoints", tmp_path / "checkpoints.dump")
    since = new_scan(mall, {"pass": outside.pass_of(person)})
    assert outside.send(since).status_code == 200
    new_mall, newcomer = outside.checkpoint(), outside.healthy()
    eventually(lambda: outside.scan_person(new_mall, newcomer)["decision"] == "pass")

    restore(product, "checkpoints", tmp_path / "checkpoints.dump")

    assert len(outside.scans_of(mall)) == before, "scans since the backup: lost"
    path = f"/v1/checkpoints/{new_mall}"
    assert outside.get("checkpoints", path, outside.token("operator")).status_code == 404, "places since: lost"
    eventually(lambda: outside.scan_person(mall, newcomer)["decision"] == "pass")
    assert outside.confirm(person)["stage"]
    eventually(lambda: outside.scan_person(mall, person)["decision"] == "stop")


def test_console_from_a_dump(product: Product, outside: Outsider, tmp_path: Path) -> None:
    """It only listens: from the dump's moment it reads the log again, and nothing is lost."""
    dump(product, "console", tmp_path / "console.dump")
    person = outside.healthy()
    eventually(lambda: _colour_in_console(product, person) == "green")
    restore(product, "console", tmp_path / "console.dump")
    eventually(lambda: _colour_in_console(product, person) == "green", WITHIN_S)


def _colour_in_console(product: Product, person_ref: str) -> str | None:
    with psycopg.connect(product.running["databases"]["console"]) as connection:
        row = connection.execute("SELECT colour FROM person_colour WHERE person_ref = %s", (person_ref,)).fetchone()
    return None if row is None else str(row[0])
