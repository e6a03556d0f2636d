"""What a guard may see of a person, to compare with the card in their hand: a masked name and the document's end."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from chassis.texts import shown

_TAIL_CHARACTERS = 4
_JOINERS = ("\u200c", "\u200d", "\u180e")
_CHINESE = re.compile("[\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff ]+")


@dataclass(frozen=True, slots=True)
class Mask:
    name_masked: str
    document_tail: str


def masked_name(name: str) -> str:
    """Each word keeps its first letter, and its last where it has more than two; a star stands for each other letter.

    So a guard compares the family name or the first letters, and the length: 张*三, 欧**明, 张*, 王, M***a d* S***a. A
    space within a Chinese name parts no words. A word of one letter is what there is to compare.
    """
    words = shown(name).split()
    if _CHINESE.fullmatch("".join(words)):
        words = ["".join(words)]
    return " ".join(_masked(word) for word in words)


def _masked(word: str) -> str:
    letters = _letters(word)
    if len(letters) == 1:
        return letters[0]
    last = letters[-1] if len(letters) > 2 else "*"
    return letters[0] + "*" * (len(letters) - 2) + last


def _letters(word: str) -> list[str]:
    """A letter and the marks on it are one; so is what a joiner joins."""
    letters = [""]
    for character in unicodedata.normalize("NFC", word):
        is_mark = unicodedata.category(character)[0] == "M" or character in _JOINERS or letters[-1][-1:] in _JOINERS
        if letters[-1] and not is_mark:
            letters.append(character)
        else:
            letters[-1] += character
    return letters


def document_tail(number: str) -> str:
    """The last four characters; of a short number at most half, so that the rest stays unknown."""
    shown = min(_TAIL_CHARACTERS, len(number) // 2)
    return number[len(number) - shown :]
