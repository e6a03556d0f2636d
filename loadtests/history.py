"""A made-up past for measurements: weeks of scans at the real places by the real day, holders, and a board's lists.

PostgreSQL makes it itself, day by day on two connections, before the day becomes a partition: its indexes are then
built at once. Rows lie in the order in which scans come. The same number of people and scans, the same shape of past.
"""

from __future__ import annotations

import csv
import json
import os
import zlib
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from itertools import accumulate
from pathlib import Path

import psycopg

from services.checkpoints.partitions import partition_name, partition_statements

PROFILE = "hangzhou_weekday_2019-01-21..25"
MEETING_KINDS = ("mall", "workplace", "school", "hospital", "building")
VENUES_SHARE = 0.1
LIST_SIZE = 1 << 20
_CITY_OFFSET_H = 8
_FAST = "-c synchronous_commit=off -c maintenance_work_mem=512MB -c work_mem=64MB -c max_parallel_maintenance_workers=0"

_SCANS = """
INSERT INTO {table} (scan_id, checkpoint_id, scanned_at, recorded_at, person_ref, list, idx, decision, colour,
                     policy_version, board_revision, direction, temperature_c, is_self_reported, digest)
SELECT uuidv7(at - clock_timestamp()), place, at, at, md5('person' || person)::uuid, person / {list_size},
       person %% {list_size}, 'pass', 'green', 'metro@1', 1, 'in', 36.5, false, decode(md5(person::text), 'hex')
FROM (
    SELECT %(start)s::timestamptz + make_interval(mins => 15 * width_bucket(random(), %(moments)s::float8[]))
           + make_interval(secs => random() * 900) AS at,
           (%(places)s::uuid[])[1 + width_bucket(random(), %(weights)s::float8[])] AS place,
           %(first)s + (random() * (%(people)s - 1))::integer AS person
    FROM generate_series(1, %(scans)s) ORDER BY at
) AS given
"""
_CHECKPOINT = """
INSERT INTO checkpoint (checkpoint_id, kind, name, venue, area, venue_code, registered_by)
VALUES (%s, %s, %s, %s, %s, %s, 'history') ON CONFLICT DO NOTHING
"""
_HOLDERS = """
INSERT INTO holder SELECT n / {list_size}, n %% {list_size}, md5('person' || n)::uuid
FROM generate_series(%s::integer, %s::integer) AS n
"""


def person_ref_of(number: int) -> str:
    """As PostgreSQL makes it: the history's person of this number."""
    return f"md5('person' || {number})::uuid"


def make_checkpoints(url: str, reference: Path) -> tuple[list[str], list[float]]:
    """The metro's screening points and the venues where people meet: (ids, cumulative shares of the scans)."""
    with psycopg.connect(url) as connection, connection.cursor() as cursor:
        ids, shares = [], []
        for file, kinds, share in (
            ("checkpoints.csv", ("metro",), 1 - VENUES_SHARE),
            ("venues.csv", MEETING_KINDS, VENUES_SHARE),
        ):
            rows = [row for row in _rows(reference / file) if row["kind"] in kinds]
            total = sum(float(row["weight"]) for row in rows)
            for row in rows:
                code = row["checkpoint_id"]
                cursor.execute(_CHECKPOINT, (code, row["kind"], row["name_zh"], row["name_zh"], row["area"], code))
                ids.append(code)
                shares.append(share * float(row["weight"]) / total)
    return ids, list(accumulate(shares))[:-1]


def make_scans(
    url: str, reference: Path, *, scans: int, people: int, days: Sequence[date], first_person: int = 0
) -> None:
    """Spread scans of `people` over whole days of the past; each day becomes a partition, in place of one before."""
    ids, weights = make_checkpoints(url, reference)
    profile = json.loads((reference / "entry_profiles_15min.json").read_text())[PROFILE]
    hour, minute = map(int, profile["start"].split(":"))
    parameters = {
        "places": ids,
        "weights": weights,
        "moments": list(accumulate(profile["share"]))[:-1],
        "people": people,
        "first": first_person,
        "scans": scans // len(days),
    }

    def make_day(day: date) -> None:
        start = datetime(day.year, day.month, day.day, hour, minute, tzinfo=UTC) - timedelta(hours=_CITY_OFFSET_H)
        with psycopg.connect(url, autocommit=True, options=_FAST) as connection:
            create, attach = partition_statements(day)
            connection.execute(f"DROP TABLE IF EXISTS {partition_name(day)}".encode())
            connection.execute(create.replace(" INCLUDING INDEXES", "").encode())
            statement = _SCANS.format(table=partition_name(day), list_size=LIST_SIZE)
            connection.execute(statement.encode(), parameters | {"start": max(start, _midnight(day))})
            connection.execute(attach.encode())
            connection.execute(f"ANALYZE {partition_name(day)}".encode())

    with ThreadPoolExecutor(2) as both:
        list(both.map(make_day, days))


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def days_before(today: date, number: int) -> list[date]:
    """Whole days, the last of which is yesterday."""
    return [today - timedelta(days=back) for back in range(number, 0, -1)]


def make_holders(url: str, *, first: int, until: int) -> None:
    """People from one number until before another; the indexes are built again afterwards."""
    with psycopg.connect(url, autocommit=True, options=_FAST) as connection:
        connection.execute("ALTER TABLE holder DROP CONSTRAINT IF EXISTS holder_pkey")
        connection.execute("DROP INDEX IF EXISTS holder_by_person")
        connection.execute(_HOLDERS.format(list_size=LIST_SIZE).encode(), (first, until - 1))
    indexes = (
        "ALTER TABLE holder ADD CONSTRAINT holder_pkey PRIMARY KEY (list, idx)",
        "CREATE INDEX holder_by_person ON holder (person_ref)",
    )
    with psycopg.connect(url, autocommit=True, options=_FAST) as connection:
        for statement in (*indexes, "ANALYZE holder"):
            connection.execute(statement.encode())


def lists_of(people: int) -> Iterator[tuple[int, int, bytes]]:
    """(list, revision, two bits a person): full lists of everyone's colour, mostly green, the last one partly empty."""
    colours = bytes(0 if byte < 200 else byte for byte in range(256))
    for number in range(-(-people // LIST_SIZE)):
        held = min(LIST_SIZE, people - number * LIST_SIZE)
        packed = os.urandom(held // 4).translate(colours)
        yield number + 1, 1, packed.ljust(LIST_SIZE // 4, b"\xff")


def put_lists(url: str, lists: Iterable[tuple[int, int, bytes]]) -> None:
    """Make them the board's snapshot, as the worker keeps it, in place of the one that is there."""
    with psycopg.connect(url) as connection:
        connection.execute("DELETE FROM standing_list")
        for number, revision, packed in lists:
            connection.execute(
                "INSERT INTO standing_list VALUES (%s, %s, %s, now())", (number, revision, zlib.compress(packed, 1))
            )


def _rows(path: Path) -> Iterator[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        yield from csv.DictReader(file)
