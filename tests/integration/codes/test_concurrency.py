"""Many at once: one person for one document, one order of locks, one revision for each change."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from uuid import UUID, uuid4

from sqlalchemy import Connection

from chassis.database import Database
from services.codes.api.desk import Desk
from services.codes.domain.dossier import Evidence
from services.codes.use_cases.evidence import take_findings
from services.codes.use_cases.reviews import review_due
from tests.integration.codes.city import City, rows
from wire.codes.v1 import events_pb2 as words


def at_once(count: int, action: Callable[[int], object]) -> list[object]:
    """Run `action` in so many threads that start together."""
    start = threading.Barrier(count)

    def run(number: int) -> object:
        start.wait()
        return action(number)

    with ThreadPoolExecutor(count) as threads:
        return list(threads.map(run, range(count)))


def test_a_hundred_enrolments_of_one_document_are_one_person(city: City, database: Database) -> None:
    people = at_once(100, lambda _: city.enrol("44010319900101123X"))
    assert len(set(people)) == 1
    assert rows(database, "SELECT count(*) AS n FROM person")[0].n == 1
    assert rows(database, "SELECT count(*) AS n FROM identity")[0].n == 1
    assert rows(database, "SELECT last_value FROM person_number")[0].last_value == 0
    assert len(rows(database, "SELECT 1 FROM outbox")) == 2


def finding(person: UUID, kind: str, identifier: UUID | None = None, *, has_ended: bool = False) -> Evidence:
    now = datetime.now(UTC)
    return Evidence(identifier or uuid4(), kind, person, None, {}, now, "/ledger", now if has_ended else None)


def test_deciding_about_one_person_reads_no_other(city: City, desk: Desk, database: Database) -> None:
    people = [city.enrol() for _ in range(120)]
    with database.transaction() as tx:
        before = people_read(tx)
        take_findings(tx, desk.office, [finding(people[60], "close_contact")], desk.clock())
        assert 0 < people_read(tx) - before < 10


def people_read(tx: Connection) -> int:
    """Rows of `person` that this connection has read and not yet reported."""
    asked = "SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_user_tables WHERE relname = 'person'"
    return int(tx.exec_driver_sql(asked).scalar_one())


def test_concurrent_changes_of_the_same_people_never_deadlock_and_keep_every_revision(
    city: City, desk: Desk, database: Database
) -> None:
    people = [city.enrol() for _ in range(30)]
    for person in people[:15]:
        city.declare(person)

    def change(number: int) -> None:
        """Bulk changes of overlapping people in opposite orders, single ones and reviews between them."""
        for turn in range(6):
            taken = people[turn : turn + 20] if number % 2 else list(reversed(people[turn + 3 : turn + 23]))
            now = desk.clock()
            if number % 4 == 3:
                city.declare(people[(number + turn) % 30], symptoms=["fever"] if turn % 2 else [])
            elif number % 4 == 2:
                with database.transaction() as tx:
                    database_now = now.replace(year=now.year + 1)
                    review_due(tx, desk.office, database_now, people_max=10)
            else:
                kind = ("close_contact", "general_contact", "case")[turn % 3]
                with database.transaction() as tx:
                    take_findings(tx, desk.office, [finding(person, kind) for person in taken], now)

    at_once(8, change)
    told = rows(database, "SELECT type, aggregateid, headers, payload FROM outbox ORDER BY seq")
    by_subject: dict[str, list[int]] = {}
    for row in told:
        by_subject.setdefault(row.headers["ce_subject"], []).append(int(row.headers["ce_revision"]))
    assert all(revisions == list(range(1, len(revisions) + 1)) for revisions in by_subject.values())
    board: dict[int, int] = {}
    for row in told:
        if row.type.endswith("StandingsChanged"):
            change_of = words.StandingsChanged.FromString(bytes(row.payload))
            board.update(zip(change_of.idx, change_of.colours, strict=True))
    stored = {row.idx: row.colour for row in rows(database, "SELECT idx, colour FROM person WHERE list IS NOT NULL")}
    assert board == stored, "a replica that applies the events in order holds what the store holds"


def test_evidence_and_enrolment_at_the_same_moment_do_not_miss_each_other(
    city: City, desk: Desk, database: Database
) -> None:
    for turn in range(10):
        document = {"type": "passport", "country": "CN", "number": f"E{turn:08}"}
        known = city.enrol(f"X{turn:08}")
        evidence = {
            "evidence_id": str(uuid4()),
            "kind": "case",
            "facts": {},
            "observed_at": datetime.now(UTC).isoformat(),
            "source": "test",
            "document": document,
        }

        def enrol_or_report(number: int, evidence: dict[str, object] = evidence) -> object:
            if number:
                return city.evidence(evidence).status_code
            body = {"document": evidence["document"], "name": "x", "residence": {"area": "440103"}}
            headers = city.issuer.headers("operator")
            return city.client.post("/v1/people", json=body, headers=headers).json()["person_ref"]

        person, status = at_once(2, enrol_or_report)
        assert status == 202
        assert city.code(UUID(str(person)))["colour"] == "red"
        assert city.code(known)["colour"] == "lapsed"


def test_a_stay_and_a_new_risk_level_at_the_same_moment_do_not_miss_each_other(city: City) -> None:
    now = datetime.now(UTC).isoformat()
    for turn in range(10):
        person, area = city.enrol(), f"4201{turn:02}"

        def declare_or_grade(number: int, person: UUID = person, area: str = area) -> None:
            if number:
                city.evidence(
                    {
                        "evidence_id": str(uuid4()),
                        "kind": "area_risk",
                        "area": area,
                        "facts": {"level": "high"},
                        "observed_at": now,
                        "source": "test",
                    }
                )
            else:
                city.declare(person, stays=[{"area": area, "from": now, "to": now}])

        at_once(2, declare_or_grade)
        assert city.code(person)["colour"] == "red"
