"""The same document gives the same person however it was written down."""

from __future__ import annotations

import pytest

from services.codes.domain.documents import Document, normalised_country, normalised_number, person_ref_of


@pytest.mark.parametrize(
    ("written", "normalised"),
    [
        ("44010319900101123x", "44010319900101123X"),
        (" 440103 19900101 123X ", "44010319900101123X"),
        ("４４０１０３１９９００１０１１２３Ｘ", "44010319900101123X"),
        ("c-01 x0006/h", "C01X0006H"),
        ("abc", "ABC"),
        ("a" * 32, "A" * 32),
    ],
)
def test_a_number_is_capitals_and_digits(written: str, normalised: str) -> None:
    assert normalised_number(written) == normalised


@pytest.mark.parametrize("written", ["", "ab", "—·—", "身份证", "1" * 33])
def test_a_number_that_is_too_short_or_too_long_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match="3 to 32"):
        normalised_number(written)


@pytest.mark.parametrize(
    ("written", "normalised"),
    [("CN", "CN"), ("cn", "CN"), (" de ", "DE"), ("CHN", "CN"), ("hkg", "HK"), ("MAC", "MO"), ("TWN", "TW")],
)
def test_a_country_is_two_letters(written: str, normalised: str) -> None:
    assert normalised_country(written) == normalised


@pytest.mark.parametrize("written", ["", "C", "DEU", "中国", "C1"])
def test_anything_else_is_no_country(written: str) -> None:
    with pytest.raises(ValueError, match="two letters"):
        normalised_country(written)


def test_type_country_and_number_all_count() -> None:
    key = bytes(32)
    base = Document("passport", "CN", "E12345678")
    others = [
        Document("travel_permit", "CN", "E12345678"),
        Document("passport", "HK", "E12345678"),
        Document("passport", "CN", "E12345679"),
    ]
    assert person_ref_of(key, base) == person_ref_of(key, Document("passport", "CN", "E12345678"))
    assert len({person_ref_of(key, each) for each in [base, *others]}) == 4
    assert person_ref_of(bytes([1] * 32), base) != person_ref_of(key, base)
    assert person_ref_of(key, base).version == 8
