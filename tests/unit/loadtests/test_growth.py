"""The cities that `bench_growth` compares have one, two and four times the people, also in what was scanned."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest

from loadtests.bench_growth import FACTORS, WEEK_DAYS, Size

PEOPLE, SCANS, TODAY = 5_000_000, 1_000_000, date(2022, 6, 28)


class Server:
    """Makes no database."""

    def create_database(self, name: str) -> str:
        return name


def size(factor: int) -> Size:
    server: Any = Server()
    return Size(server, factor, people=PEOPLE, scans=SCANS)


def test_the_history_has_people_by_the_factor_as_the_city_has() -> None:
    sizes = [size(factor) for factor in FACTORS]
    assert [each.people // PEOPLE for each in sizes] == [1, 2, 4]
    whole = [{n for visitors, _ in each.history(TODAY) for n in visitors} for each in sizes]
    assert [len(people) / len(whole[0]) for people in whole] == [1, 2, 4]
    assert all(max(people) < each.people for people, each in zip(whole, sizes, strict=True)), "each of them is a holder"


@pytest.mark.parametrize("factor", FACTORS)
def test_each_week_is_as_busy_as_any_other_so_a_case_has_the_same_work(factor: int) -> None:
    weeks = size(factor).history(TODAY)
    assert {len(visitors) for visitors, _ in weeks} == {SCANS // WEEK_DAYS // 2}
    days = [day for _, days in weeks for day in days]
    assert days == [TODAY - timedelta(days=back) for back in range(WEEK_DAYS * factor, 0, -1)]


@pytest.mark.parametrize("factor", FACTORS)
def test_who_is_traced_was_somewhere_in_the_last_week(factor: int) -> None:
    city = size(factor)
    last_week, _ = city.history(TODAY)[-1]
    assert all(city.case() in last_week for _ in range(1000))
