"""What a guard may see of a person, to compare with the card in their hand: a masked name and the document's end."""

from __future__ import annotations

from dataclasses import dataclass

_TAIL_CHARACTERS = 4


@dataclass(frozen=True, slots=True)
class Mask:
    name_masked: str
    document_tail: str


def masked_name(name: str) -> str:
    """Each word keeps its first character, and its last where it has more than two: 张*三, 欧**明, 王*."""
    return " ".join(_masked(word) for word in name.split())


def _masked(word: str) -> str:
    if len(word) <= 2:
        return word[:1] + "*" * (len(word) - 1) if len(word) == 2 else "*"
    return word[0] + "*" * (len(word) - 2) + word[-1]


def document_tail(number: str) -> str:
    """The last four characters; of a short number at most half, so that the rest stays unknown."""
    shown = min(_TAIL_CHARACTERS, len(number) // 2)
    return number[len(number) - shown :]
