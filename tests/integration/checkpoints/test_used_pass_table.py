"""The table of used-up passes: its key decides between processes, and it holds what may be shown, no longer."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import psycopg
import pytest

from chassis.database import Database
from chassis.ids import uuid7
from services.checkpoints import messages
from services.checkpoints.domain.errors import ScanIdReused
from services.checkpoints.domain.scans import Checkpoint, Colour, Decision, Entry, Refusal, Use
from services.checkpoints.main import tell
from services.checkpoints.scan_log import PLANNER, ScanLog
from services.checkpoints.scan_statements import RECORD, Kind
from services.checkpoints.store import used_passes
from services.checkpoints.store.used_passes import SLOT_S, SLOTS, opposite_slot
from services.checkpoints.taken_decisions import TakenDecisions
from tests.integration.checkpoints.test_scan_log import PLACE, a_scan, with_log
from tests.integration.checkpoints.town import ago


@pytest.fixture
def url(migrated):
    return migrated("checkpoints")


@pytest.fixture
def sql(url):
    with psycopg.connect(url, autocommit=True) as connection:
        yield lambda statement: connection.execute(statement.encode()).fetchall()


def a_use(place=PLACE, *, seconds=0.0, iat=1_000, **more):
    at = ago(seconds=10) + timedelta(seconds=seconds)
    made = a_scan(at=at, entry=Entry(1, 5), **more)
    attempt = made.attempt._replace(checkpoint_id=place.checkpoint_id)
    return made._replace(attempt=attempt, checkpoint=place, use=Use(iat, Decision.CHECK))


OTHER = Checkpoint(uuid7(), "metro", "Another", "", "440103001", "ABCDEFGHJKMP")


def test_two_processes_let_one_in(url, sql):
    """Two logs with connections of their own: the key decides, whoever asks first."""

    async def race(first_log):
        async def second(log):
            return await asyncio.gather(
                *(each.append(a_use(place, iat=1_000 + n)) for n in range(50) for each, place in both(log))
            )

        def both(log):
            return (first_log, PLACE), (log, OTHER)

        return await with_log_beside(url, second)

    rulings = with_log(url, race)
    pairs = list(zip(rulings[::2], rulings[1::2], strict=True))
    assert all({one.decision, other.decision} == {Decision.PASS, Decision.CHECK} for one, other in pairs)
    assert {each.refusal for each in rulings} == {None, Refusal.PASS_REUSED}
    assert {each.colour for each in rulings} == {Colour.GREEN}
    assert sql("SELECT count(*) FROM used_pass") == [(50,)]
    assert sql("SELECT decision, count(*) FROM scan GROUP BY 1 ORDER BY 1") == [("check", 50), ("pass", 50)]


async def with_log_beside(url, use):
    log = ScanLog(url, encode=messages.scan_recorded_payload, keep_taken=TakenDecisions(Database(url), tell).keep)
    await log.start()
    try:
        return await use(log)
    finally:
        await log.close()


def test_a_scan_that_came_before_and_let_nobody_in_uses_nothing_up_when_it_comes_again(url, sql):
    checked = a_use()
    ruling = checked.ruling._replace(decision=Decision.CHECK, refusal=Refusal.BOARD_STALE)
    first = with_log(url, lambda log: log.append(checked._replace(ruling=ruling, use=Use(1_000))))
    assert with_log(url, lambda log: log.append(checked)) == first, "the board is fresh by now"
    assert sql("SELECT count(*) FROM used_pass") == [(0,)]


def test_another_scan_under_a_known_id_uses_nothing_up(url, sql):
    first = a_use()
    foreign = first._replace(use=Use(2_000, Decision.CHECK), attempt=first.attempt._replace(digest=b"other"))

    async def both(log):
        return await log.append(first), *await log.append_all([foreign])

    _, refused = with_log(url, both)
    assert isinstance(refused, ScanIdReused)
    assert sql("SELECT iat FROM used_pass") == [(1_000,)]


def test_the_same_pass_under_a_known_id_with_other_content_stays_used_up(url, sql):
    first = a_use()
    foreign = first._replace(attempt=first.attempt._replace(digest=b"other"))

    async def both(log):
        return await log.append(first), *await log.append_all([foreign])

    with_log(url, both)
    assert sql("SELECT iat FROM used_pass") == [(1_000,)]


def test_a_use_is_forgotten_when_nobody_can_show_the_pass_any_more(url, sql):
    now = ago()
    seconds = int(now.timestamp())
    issued = {n: seconds - n * SLOT_S for n in range(SLOTS)}
    with_log(url, lambda log: log.append_all([a_use(iat=iat, seconds=n) for n, iat in issued.items()]))
    database = Database(url)
    with database.transaction() as tx:
        used_passes.empty_opposite(tx, now)
    left = {iat for (iat,) in sql("SELECT iat FROM used_pass")}
    assert left == {issued[0], issued[1], issued[3]}, "what was issued four minutes ago is gone"
    database.close()


def test_what_may_still_be_shown_is_never_in_the_slot_that_is_emptied():
    start = ago()
    for second in range(4 * SLOT_S):
        now = start + timedelta(seconds=second)
        emptied = opposite_slot(now)
        assert emptied not in {(int(now.timestamp()) + apart) // SLOT_S % SLOTS for apart in range(-75, 10)}


def test_nobody_waits_for_the_emptying(url, sql):
    """Somebody holds the table: the emptying gives up and comes again."""
    now = ago()
    table = f"used_pass_{opposite_slot(now)}"
    iat = int(now.timestamp()) - 2 * SLOT_S
    with_log(url, lambda log: log.append(a_use(iat=iat)))
    database = Database(url)
    with psycopg.connect(url) as reader:
        reader.execute(f"LOCK TABLE {table} IN ACCESS SHARE MODE".encode())
        with pytest.raises(Exception, match="lock timeout"), database.transaction() as tx:
            used_passes.empty_opposite(tx, now)
    with database.transaction() as tx:
        used_passes.empty_opposite(tx, now)
    assert sql("SELECT count(*) FROM used_pass") == [(0,)]
    database.close()


@pytest.mark.parametrize("looks_first", [False, True])
def test_the_look_for_a_use_that_has_ended_reads_no_other_pass(url, looks_first):
    kind = Kind(has_claims=True, has_ends=True, has_clocks_off=False, looks_first=looks_first)
    with psycopg.connect(url, autocommit=True, options=PLANNER, cursor_factory=psycopg.ClientCursor) as connection:
        connection.execute(
            "INSERT INTO used_pass SELECT n / 120 %% 4, 1, n, n, false, gen_random_uuid(), gen_random_uuid(), now() "
            "FROM generate_series(1, 20000) AS n",
            (),
        )
        connection.execute("ANALYZE used_pass")
        plan = [row[0].strip() for row in connection.execute("EXPLAIN " + RECORD[kind], ("[]",))]
    looks = [line for line in plan if "Scan" in line and "used_pass" in line]
    assert len(looks) == SLOTS
    assert all(line.lstrip("-> ").startswith("Index Scan using used_pass_") for line in looks)
    assert all("iat = " in line for line in plan if line.startswith("Index Cond: ((slot"))
