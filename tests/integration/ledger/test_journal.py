"""The journal: append-only, linked at commit, and whoever changes it is found out at the link they changed."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import threading
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from services.ledger import journal
from tests.integration.ledger.conftest import OTHER_DISTRICT, Ledger


def verdict(ledger: Ledger) -> journal.Verdict:
    with ledger.parts.database.transaction() as tx:
        return journal.verify(tx)


def tamper(ledger: Ledger, statement: str, *arguments: object) -> None:
    """As a superuser who switched the triggers off."""
    with psycopg.connect(ledger.settings.database_url) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute(statement.encode(), arguments)


@pytest.fixture
def written(ledger: Ledger) -> Ledger:
    for _ in range(3):
        ledger.open("close_contact", uuid4())
    return ledger


def test_an_untouched_journal_is_whole(written: Ledger) -> None:
    found = verdict(written)
    assert (found.whole, found.first_broken, found.size) == (True, None, 6)
    assert found.hash == written.get("/v1/journal/checkpoint", role="auditor").json()["hash"]


def test_an_empty_journal_is_whole(ledger: Ledger) -> None:
    assert verdict(ledger) == journal.Verdict(0, "00" * 32, True, None)


@pytest.mark.parametrize(
    ("statement", "first_broken"),
    [
        ("UPDATE journal_content SET content = replace(content, 'found', 'xound') WHERE content_id = 3", 3),
        ("UPDATE journal_content SET salt = sha256('x') WHERE content_id = 2", 2),
        ("UPDATE journal_link SET commitment = sha256('x') WHERE seq = 4", 4),
        ("UPDATE journal_link SET hash = sha256('x') WHERE seq = 5", 5),
        ("UPDATE journal_link SET previous = sha256('x') WHERE seq = 1", 1),
        ("DELETE FROM journal_link WHERE seq = 3", 3),
        ("DELETE FROM journal_link WHERE seq = 6", 6),
        ("DELETE FROM journal_content WHERE content_id = 2", 2),
        ("UPDATE journal_head SET size = 5", 6),
        ("UPDATE journal_head SET hash = sha256('x')", 6),
    ],
)
def test_a_changed_row_is_named(written: Ledger, statement: str, first_broken: int) -> None:
    tamper(written, statement)
    found = verdict(written)
    assert (found.whole, found.first_broken) == (False, first_broken)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE journal_link SET hash = sha256('x') WHERE seq = 1",
        "DELETE FROM journal_link",
        "TRUNCATE journal_link",
        "UPDATE journal_content SET content = 'x' WHERE content_id = 1",
        "UPDATE journal_content SET entry_id = NULL, salt = NULL, content = NULL, destroyed_at = now()",
        "DELETE FROM journal_content",
        "DELETE FROM journal_head",
        "UPDATE access_log SET subject = 'nobody'",
    ],
)
def test_the_database_refuses_to_rewrite(written: Ledger, statement: str) -> None:
    written.get("/v1/entries")
    with pytest.raises(psycopg.errors.RestrictViolation):
        written.change(statement)
    assert verdict(written).whole


def test_salt_and_content_are_destroyed_together_and_the_chain_still_stands(written: Ledger) -> None:
    with pytest.raises(psycopg.errors.CheckViolation):
        written.change("UPDATE journal_content SET content = NULL, destroyed_at = now() WHERE content_id = 1")
    written.change("UPDATE journal_content SET salt = NULL, content = NULL, destroyed_at = now() WHERE content_id = 1")
    assert verdict(written).whole
    with pytest.raises(psycopg.errors.RestrictViolation):
        written.change("UPDATE journal_content SET destroyed_at = NULL WHERE content_id = 1")


def test_an_entry_is_proven_by_anyone_with_sha256(written: Ledger, person: UUID) -> None:
    opened = written.open("close_contact", person)
    written.open("close_contact", uuid4())
    place = {"move": "place", "expected_version": 1}
    written.post(f"/v1/entries/{opened['entry_id']}/moves", place)
    checkpoint = written.get("/v1/journal/checkpoint").json()
    proof = written.get("/v1/journal/proof", role="auditor", entry=opened["entry_id"]).json()
    chain = {link["seq"]: link for link in proof["chain"]}
    for link in proof["links"]:
        commitment = hashlib.sha256(bytes.fromhex(link["salt"]) + link["content"].encode()).hexdigest()
        assert commitment == link["commitment"] == chain[link["seq"]]["commitment"]
    end = bytes.fromhex(proof["chain"][0]["previous"])
    for link in proof["chain"]:
        end = hashlib.sha256(end + bytes.fromhex(link["commitment"])).digest()
    assert end.hex() == checkpoint["hash"] == proof["checkpoint"]["hash"]
    assert proof["chain"][-1]["seq"] == checkpoint["size"]
    assert [json.loads(link["content"])["kind"] for link in proof["links"]] == [
        "entry_opened",
        "evidence_found",
        "entry_moved",
    ]


def test_a_proof_is_refused_outside_the_area_and_for_no_entry(written: Ledger, person: UUID) -> None:
    opened = written.open("close_contact", person)
    assert written.get("/v1/journal/proof", bound_to=OTHER_DISTRICT, entry=opened["entry_id"]).status_code == 403
    assert written.get("/v1/journal/proof", entry=str(uuid4())).status_code == 404


def test_writers_at_once_make_one_chain(ledger: Ledger) -> None:
    def opening() -> None:
        for _ in range(5):
            ledger.open("close_contact", uuid4())

    threads = [threading.Thread(target=opening) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = verdict(ledger)
    assert (found.whole, found.size) == (True, 40)


def command(ledger: Ledger) -> tuple[int, dict[str, Any]]:
    ran = subprocess.run(
        [sys.executable, "-m", "services.ledger.main", "verify"],
        env={**os.environ, "DATABASE_URL": ledger.settings.database_url},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return ran.returncode, json.loads(ran.stdout)


def test_the_command_says_what_is_broken_and_fails(written: Ledger) -> None:
    status, printed = command(written)
    assert (status, printed["whole"], printed["first_broken"], printed["size"]) == (0, True, None, 6)
    tamper(written, "UPDATE journal_content SET content = '{}' WHERE content_id = 4")
    status, printed = command(written)
    assert (status, printed["whole"], printed["first_broken"]) == (1, False, 4)
