"""The same document gives the same person however it was written down, and two documents never give one person."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from city.documents import (
    Document,
    DocumentMalformed,
    check_character,
    person_ref_of,
    read_country,
    read_document,
    read_number,
    renewed_number,
)

KEY = bytes(range(32))


@pytest.mark.parametrize(
    ("written", "normal"),
    [
        ("44010319900101123x", "44010319900101123X"),
        (" 440103 19900101 123X ", "44010319900101123X"),
        ("４４０１０３１９９００１０１１２３Ｘ", "44010319900101123X"),
        ("c-01 x0006.h", "C01X0006H"),
        ("c\u201001\u2013x\u30000006\u00b7h。", "C01X0006H"),
        ("abc", "ABC"),
        ("a" * 32, "A" * 32),
    ],
)
def test_a_number_is_capitals_and_digits(written: str, normal: str) -> None:
    assert read_number(written) == normal


@pytest.mark.parametrize("written", ["", "ab", "—·—", "1" * 33, "- " * 32, None, 123456, "1" * 65])
def test_a_number_that_is_too_short_or_too_long_is_refused(written: object) -> None:
    with pytest.raises(DocumentMalformed) as refused:
        read_number(written)
    assert refused.value.field == "number"


@pytest.mark.parametrize(
    "written",
    [
        "МЮ1234567",
        "ЕК1234567",
        "Ä123456",
        "A\u0308123456",
        "ß123456",
        "ﬁ123456",
        "ı123456",
        "E1234٣",
        "E1234½",
        "身份证123456",
        "E12\u200b3456",
        "E12\u202e3456",
        "E12\u00ad3456",
        "E123456\n",
        "E12\x003456",
        "E12/3456",
        "E12_3456",
        "E12'3456",
        "E12😀3456",
    ],
)
def test_a_character_without_a_form_in_letters_and_digits_is_refused(written: str) -> None:
    with pytest.raises(DocumentMalformed, match="A–Z"):
        read_number(written)


@given(st.text(max_size=64))
def test_a_number_is_refused_or_every_character_of_it_counts(written: str) -> None:
    """A number that is taken differs from another one in separators and in the way the same letter is written only."""
    try:
        plain = read_number(written)
    except DocumentMalformed:
        return
    counted = [each for each in written if each not in " -.·。．｡․‐‑‒–—―−﹘﹣－" and not each.isspace()]
    assert len(counted) == len(plain)
    assert plain.isascii()
    assert plain.isalnum()
    assert read_number(plain) == plain


@pytest.mark.parametrize(
    ("written", "normal"),
    [
        ("CN", "CN"),
        ("cn", "CN"),
        (" de ", "DE"),
        ("CHN", "CN"),
        ("hkg", "HK"),
        ("MAC", "MO"),
        ("TWN", "TW"),
        ("ＣＮ", "CN"),
    ],
)
def test_a_country_is_two_letters(written: str, normal: str) -> None:
    assert read_country(written) == normal


@pytest.mark.parametrize("written", ["", " ", "C", "DEU", "中国", "C1", "ß", "ЯЯ", "C\u200bN", 7, None, "C" * 65])
def test_anything_else_is_no_country(written: object) -> None:
    with pytest.raises(DocumentMalformed, match="two letters") as refused:
        read_country(written)
    assert refused.value.field == "country"


def test_a_document_without_a_country_is_chinas() -> None:
    assert read_document("passport", None, "e1234567") == Document("passport", "CN", "E1234567")


@pytest.mark.parametrize("type_", ["library_card", "", None, 3, "Passport"])
def test_a_type_that_is_not_known_is_refused(type_: object) -> None:
    with pytest.raises(DocumentMalformed) as refused:
        read_document(type_, "CN", "E1234567")
    assert refused.value.field == "type"


@pytest.mark.parametrize(
    ("old", "renewed"),
    [
        ("110105491231002", "11010519491231002X"),  # the example of GB 11643-1999
        ("110101900307003", "110101199003070038"),
    ],
)
def test_an_old_identity_number_is_the_same_person_as_the_new_one(old: str, renewed: str) -> None:
    assert renewed_number(old) == renewed
    for country in (None, "CN", "chn"):
        assert read_document("resident_id", country, old) == Document("resident_id", "CN", renewed)
    spaced = f"{old[:6]} {old[6:12]}-{old[12:]}"
    assert read_document("resident_id", "CN", spaced) == read_document("resident_id", "CN", renewed.lower())


@given(st.from_regex(r"[0-9]{15}", fullmatch=True))
def test_two_old_numbers_never_become_one(old: str) -> None:
    renewed = read_document("resident_id", "CN", old).number
    assert renewed[:6] + renewed[8:17] == old
    assert renewed[17] == check_character(renewed[:17])


@pytest.mark.parametrize(
    "document", [("passport", "CN"), ("resident_id", "HK"), ("residence_permit", "CN"), ("travel_permit", "CN")]
)
def test_fifteen_digits_of_another_document_stay_as_they_are(document: tuple[str, str]) -> None:
    assert read_document(*document, "110105491231002").number == "110105491231002"


def test_type_country_and_number_all_count() -> None:
    documents = [
        Document("passport", "CN", "E12345678"),
        Document("travel_permit", "CN", "E12345678"),
        Document("passport", "HK", "E12345678"),
        Document("passport", "CN", "E12345679"),
    ]
    assert not any(person_ref_of(KEY, a) == person_ref_of(KEY, b) for a, b in combinations(documents, 2))
    assert person_ref_of(bytes(32), documents[0]) != person_ref_of(KEY, documents[0])
    assert person_ref_of(KEY, documents[0]).version == 8
