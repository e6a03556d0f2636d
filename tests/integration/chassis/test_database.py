"""The service's own PostgreSQL: a plan that was made while a table was small is still good when it has grown."""

from __future__ import annotations

import sqlalchemy as sa

from chassis.database import Database

_FIND = sa.text("SELECT colour FROM person WHERE number = ANY(:numbers)")
_READ = "SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_user_tables WHERE relname = 'person'"
_CALLS_UNTIL_A_PLAN_IS_KEPT = 12


def test_a_plan_kept_from_the_first_morning_does_not_read_the_whole_city(fresh_database: str) -> None:
    database = Database(fresh_database, connections_max=1)
    with database.transaction() as tx:
        tx.exec_driver_sql("CREATE TABLE person (number bigint PRIMARY KEY, colour integer)")
        tx.exec_driver_sql("INSERT INTO person SELECT number, 1 FROM generate_series(1, 5) AS number")
        tx.exec_driver_sql("ANALYZE person")
    for _ in range(_CALLS_UNTIL_A_PLAN_IS_KEPT):
        with database.transaction() as tx:
            tx.execute(_FIND, {"numbers": [3]})
    with database.transaction() as tx:
        tx.exec_driver_sql("INSERT INTO person SELECT number, 1 FROM generate_series(6, 20000) AS number")
    with database.transaction() as tx:
        before = tx.exec_driver_sql(_READ).scalar_one()
        assert tx.execute(_FIND, {"numbers": [3, 17_000]}).all() == [(1,), (1,)]
        assert tx.exec_driver_sql(_READ).scalar_one() - before == 2
    database.close()
