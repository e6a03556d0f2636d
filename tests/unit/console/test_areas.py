"""Names of areas and owners."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.console.areas import Areas, read_areas

AREAS = read_areas(Path("data/guangzhou/areas.csv"))


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("4401", "广州市"),
        ("440103", "荔湾区"),
        ("440103001", "荔湾区 沙面街道"),
        ("440103001101", "荔湾区 翠洲社区居民委员会"),
        ("44010300110107", "荔湾区 翠洲社区居民委员会"),
        ("999999", "999999"),
        ("", ""),
    ],
)
def test_an_area_is_named_with_its_district(code: str, name: str) -> None:
    assert AREAS.name_of(code) == name


def test_an_owner_that_is_an_area_is_named_and_any_other_stays() -> None:
    assert AREAS.owner_of("440103") == AREAS.owner_of("district/440103") == "荔湾区"
    assert AREAS.owner_of("fever clinic") == "fever clinic"


def test_the_city_is_the_root() -> None:
    assert AREAS.city() == ("广州市", "Guangzhou")
    assert Areas({}, {}).city() == ("", "")
