"""Names, lines and notes: what cannot be seen on a screen does not get there, and every script keeps what it needs."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from chassis.fields import Line, Note, PersonName
from chassis.texts import read_line, read_name, read_note, shown

HIDDEN = [
    *"\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c",  # they turn the direction
    *"\x00\x07\x08\t\x1b\x7f\x85\x9b",  # controls, with those of a terminal
    *"\u200b\u200c\u200d\u2060\ufeff\u00ad\u180e\u206a\u2028\u2029\ufff9\U000e0041",
    *"\u034f\u115f\u1160\u3164\uffa0\u2800",
    "\ud800",
    "\uffff",
    "\ufdd0",
]

NAMES = [
    ("张三", "张三"),
    ("张 三", "张 三"),
    (" 张　 三 ", "张 三"),
    ("王", "王"),
    ("欧阳娜娜", "欧阳娜娜"),
    ("𠮷野家", "𠮷野家"),
    ("李\U000e0100", "李\U000e0100"),
    ("Maria da Silva", "Maria da Silva"),
    ("Jose\u0301", "José"),
    ("O'Brien-Lindström, Jr.", "O'Brien-Lindström, Jr."),
    ("买买提·吐尔逊", "买买提·吐尔逊"),
    ("مۇھەممەت ئابدۇللا", "مۇھەممەت ئابدۇللا"),
    ("می\u200cرود", "می\u200cرود"),
    ("क्\u200dष", "क्\u200dष"),
    ("ᠰᠠᠷ\u180eᠠ", "ᠰᠠᠷ\u180eᠠ"),
    ("བསྟན་འཛིན་", "བསྟན་འཛིན་"),
    ("김철수", "김철수"),
    ("X", "X"),
]


@pytest.mark.parametrize(("written", "kept"), NAMES)
def test_a_name_of_any_script_is_taken(written: str, kept: str) -> None:
    assert read_name(written) == kept
    assert TypeAdapter(PersonName).validate_python(written) == kept
    assert shown(kept) == kept


@pytest.mark.parametrize("character", HIDDEN, ids=lambda each: f"U+{ord(each):04X}")
@pytest.mark.parametrize("read", [read_name, read_line, read_note])
def test_what_cannot_be_seen_is_refused_by_its_number(read: object, character: str) -> None:
    if character == "\t" and read is read_note:
        return
    with pytest.raises(ValueError, match=f"U\\+{ord(character):04X}"):
        read(f"张{character}三")  # type: ignore[operator]
    assert shown(f"张{character}三") == "张三"


@pytest.mark.parametrize(
    "written",
    ["", " ", "　", "\u200b", "\u200b\u200d", "\u3164", "\u2800", "\u115f\u1160", "\u202e", "\u0301", "\ufe0f"],
)
@pytest.mark.parametrize("kind", [PersonName, Line, Note])
def test_what_is_only_invisible_says_nothing(kind: object, written: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(kind).validate_python(written)


@pytest.mark.parametrize("written", ["1", "--", "🙂", "?", "..."])
def test_a_name_has_a_letter_and_a_line_need_not(written: str) -> None:
    assert read_line(written) == written
    with pytest.raises(ValueError, match="letter"):
        read_name(written)


def test_a_note_has_lines_and_a_line_has_one() -> None:
    assert read_note(" first\r\nsecond\tthird \n") == "first\nsecond third"
    with pytest.raises(ValueError, match="U\\+000A"):
        read_line("first\nsecond")


def test_a_joined_picture_stays_whole() -> None:
    assert read_line("👩\u200d⚕️ 值班") == "👩\u200d⚕️ 值班"


@given(st.text())
def test_what_is_shown_can_be_seen_and_stays_so(written: str) -> None:
    seen = shown(written)
    assert not {unicodedata.category(each) for each in seen if each not in "\n\u200c\u200d\u180e"} & {"Cc", "Cf", "Cs"}
    assert not set(seen) & set(HIDDEN[:12])
