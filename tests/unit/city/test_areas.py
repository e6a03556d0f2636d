"""The area tree: one reading of it in all services."""

from __future__ import annotations

from pathlib import Path

import pytest

from city.areas import AreaFileMalformed, Level, district_of, read_areas, subtree_of

GUANGZHOU = Path(__file__).resolve().parents[3] / "data" / "guangzhou" / "areas.csv"
TREE = read_areas(GUANGZHOU)
COMMUNITY = next(code for code in TREE.nodes if len(code) == 12)


@pytest.mark.parametrize("ending", ["", "1", "01", "001", "0001", "00001", "000001"])
def test_a_grid_is_a_community_and_one_to_six_digits(ending: str) -> None:
    assert TREE.has(COMMUNITY + ending)


@pytest.mark.parametrize(
    "code", ["4401", "440103", COMMUNITY[:9], COMMUNITY], ids=["city", "district", "street", "community"]
)
def test_nodes_of_the_tree_are_areas(code: str) -> None:
    assert TREE.has(code)


@pytest.mark.parametrize(
    "code",
    ["", "44", "440199", "4401110", "44010600", "440100", COMMUNITY[:11], COMMUNITY + "x", COMMUNITY + "０",
     COMMUNITY + "0000001", " 4401", "4401\n", "4401%"],
)  # fmt: skip
def test_anything_else_is_no_node(code: str) -> None:
    assert not TREE.has(code)


@pytest.mark.parametrize(
    "code", ["42", "4201", "420100", "420105", "420105003", "420105003001", "4412338748", "44", "4403", "810000"]
)
def test_a_division_outside_the_city_is_where_somebody_may_have_been(code: str) -> None:
    assert TREE.has_or_lies_outside(code)


@pytest.mark.parametrize(
    "code",
    ["4401110", "44010600", "440199", "440100", "440", "44010", "1", "00", "99", "990101", "110", "11010",
     "3101150", "31011500", "1101010000000000000", "１１０１０１", "Wuhan", "", "420105\n"],
)  # fmt: skip
def test_what_is_neither_a_node_nor_a_division_is_nowhere(code: str) -> None:
    assert not TREE.has_or_lies_outside(code)


def test_owners_parents_and_the_nearest_node() -> None:
    grid = COMMUNITY + "001"
    assert TREE.root == "4401"
    assert TREE.parent(grid) == COMMUNITY
    assert TREE.parent("4401") == ""
    assert TREE.at_level(grid, Level.DISTRICT) == COMMUNITY[:6]
    assert TREE.at_level("4401", Level.COMMUNITY) == "4401"
    assert TREE.nearest("440199001") == "4401"
    assert TREE.nearest(COMMUNITY[:9] + "999") == COMMUNITY[:9]
    assert TREE.nearest("") == "4401"
    assert (district_of(grid), district_of("4401")) == (COMMUNITY[:6], "")


@pytest.mark.parametrize(
    ("code", "beginning"),
    [
        ("420100", "4201"),
        ("420000", "42"),
        ("420105", "420105"),
        ("4201", "4201"),
        ("440100000", "440100000"),
        ("", ""),
    ],
)
def test_a_code_that_is_filled_up_with_zeros_means_all_within(code: str, beginning: str) -> None:
    assert subtree_of(code) == beginning


@pytest.mark.parametrize(
    "text", ["", "code,name\n4401,x\n", "code,level,parent\n4401,city,\n4402,city,\n", "code,level,parent\n1,moon,\n"]
)
def test_a_file_that_holds_no_tree_of_one_city_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "areas.csv").write_text(text)
    with pytest.raises(AreaFileMalformed):
        read_areas(tmp_path / "areas.csv")
    with pytest.raises(AreaFileMalformed):
        read_areas(tmp_path / "missing.csv")
