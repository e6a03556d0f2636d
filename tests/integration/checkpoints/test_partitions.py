"""The days of scans are there before a process takes work, even where the database is late."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime, timedelta

import psycopg
import pytest

from chassis.clock import utc_now
from guanka.postgres import EmbeddedPostgres
from services.checkpoints.partitions import days_needed, make_first_partitions


@pytest.fixture
def url(migrated: Callable[[str], str]) -> str:
    return migrated("checkpoints")


def test_a_process_that_starts_before_its_database_waits_for_it(postgres: EmbeddedPostgres, url: str) -> None:
    name = psycopg.conninfo.conninfo_to_dict(url)["dbname"]
    in_a_month = utc_now() + timedelta(days=30)
    tried, made = threading.Event(), list[int]()

    def clock_of_an_attempt() -> datetime:
        tried.set()
        return in_a_month

    with psycopg.connect(postgres.url("postgres"), autocommit=True) as administration:
        administration.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
        starting = threading.Thread(target=lambda: made.append(make_first_partitions(url, clock_of_an_attempt)))
        starting.start()
        assert tried.wait(5)
        assert made == []
        administration.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')
    starting.join(10)
    assert made == [len(days_needed(in_a_month))]


def test_a_process_whose_database_stays_away_gives_up(url: str) -> None:
    with pytest.raises(psycopg.OperationalError):
        make_first_partitions(url.replace("checkpoints", "nowhere"), utc_now, patience_s=0.3)
