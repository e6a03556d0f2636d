"""Areas, documents and posters."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest

from services.checkpoints.areas import Areas
from services.checkpoints.domain.documents import normalised
from services.checkpoints.domain.errors import DocumentMalformed
from services.checkpoints.venue_codes import PATTERN, venue_code

AREAS = Areas(frozenset(["4401", "440103", "440103001", "440103001101"]))


@pytest.mark.parametrize("area", ["4401", "440103", "440103001101", "44010300110107", "440103001101000001"])
def test_nodes_of_the_tree_and_grids_of_a_community_are_areas(area):
    assert AREAS.has(area)


@pytest.mark.parametrize("area", ["", "44", "440199", "440103002101", "44010300110x", "4401030011010000001"])
def test_anything_else_is_none(area):
    assert not AREAS.has(area)


def test_a_venue_code_is_short_steady_and_cannot_be_made_without_the_key():
    place = uuid4()
    code = venue_code(b"k" * 32, place)
    assert PATTERN.fullmatch(code)
    assert code == venue_code(b"k" * 32, place)
    assert code != venue_code(b"x" * 32, place)
    assert len({venue_code(b"k" * 32, UUID(int=n)) for n in range(2000)}) == 2000


def test_documents_that_mean_the_same_read_the_same():
    spellings = ["G1234567", "g 1234567", "Ｇ１２３４５６７", "g-12-34-567"]
    assert {normalised("passport", "CHN", each) for each in spellings} == {normalised("passport", None, "G1234567")}


@pytest.mark.parametrize(
    ("field", "given"),
    [
        ("type", ("card", "CN", "123")),
        ("type", (None, "CN", "123")),
        ("country", ("passport", "", "123")),
        ("country", ("passport", 7, "123")),
        ("number", ("passport", "CN", "1")),
        ("number", ("passport", "CN", "1" * 33)),
        ("number", ("passport", "CN", 123)),
    ],
)
def test_a_malformed_document_names_the_field(field, given):
    with pytest.raises(DocumentMalformed) as caught:
        normalised(*given)
    assert caught.value.field == field
