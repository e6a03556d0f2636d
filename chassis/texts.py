"""Text that people write: names, lines, notes. What cannot be seen on a screen does not get there.

A mark that turns the direction of what follows it, or a character without a picture, makes two texts look alike that
differ, or one look like what it is not. Such characters are refused with their number; a few scripts need some of them
inside their words, and there they stay.
"""

from __future__ import annotations

import re
import unicodedata

_JOINERS = frozenset("\u200c\u200d\u180e")
"""Zero-width non-joiner and joiner (Arabic, Indic scripts, joined pictures), Mongolian vowel separator."""
_WITHOUT_PICTURE = frozenset(
    "\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0"  # joiner of graphemes, fillers, inherent vowels, empty braille
)
_SELECTORS = re.compile("[\u180b-\u180d\u180f\ufe00-\ufe0f\U000e0100-\U000e01ef]")
"""They choose one of several pictures of the character before; Chinese names use them."""
_UNJOINED = re.compile("[\u0000-\u024f\u1100-\u11ff\u2e80-\u312f\u3130-\u318f\u31a0-\u9fff\ua960-\ua97f\uac00-\ud7ff]")
"""Latin, Chinese, Japanese and Korean: scripts that join nothing."""
_SPACES = re.compile("[ \u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]+")


def read_line(written: str) -> str:
    """One line as it is kept: composed (NFC), without spaces around it, one space for several. Raises ValueError."""
    return _read(written, lines_allowed=False)


def read_note(written: str) -> str:
    """As `read_line`, but lines may follow each other. Raises ValueError."""
    return _read(written, lines_allowed=True)


def read_name(written: str) -> str:
    """The name of a person: a line with a letter in it. Raises ValueError."""
    name = read_line(written)
    if not any(unicodedata.category(each).startswith("L") for each in name if each not in _WITHOUT_PICTURE):
        raise ValueError("write a name, with at least one letter")
    return name


def require_seen(text: str) -> None:
    """Raises ValueError when the text holds what no screen shall show; it may be empty, and have several lines."""
    for place, character in enumerate(text):
        if _is_hidden(character) and not _may_stand(text, place):
            raise ValueError(f"write it without the invisible character U+{ord(character):04X}")


def is_plain(text: str) -> bool:
    """Whether each character is seen and is the only way to write what is seen: for names that are compared."""
    if any(_is_hidden(each) for each in text) or _SELECTORS.search(text):
        return False
    return unicodedata.is_normalized("NFKC", text)


def shown(text: str) -> str:
    """A text that was kept before it was read so, without what no screen shall show."""
    return "".join(
        each for place, each in enumerate(text) if not _is_hidden(each) or each == "\n" or _may_stand(text, place)
    )


def _read(written: str, *, lines_allowed: bool) -> str:
    if lines_allowed:
        written = written.replace("\r\n", "\n").replace("\t", " ")
    text = _SPACES.sub(" ", unicodedata.normalize("NFC", written)).strip()
    require_seen(text.replace("\n", " ") if lines_allowed else text)
    if not any(unicodedata.category(each)[0] in "LNPS" for each in text if each not in _WITHOUT_PICTURE):
        raise ValueError("write something that can be read")
    return text


def _is_hidden(character: str) -> bool:
    """Controls, format characters, halves of pairs, separators of lines, fillers, and what is no character at all."""
    if character in _WITHOUT_PICTURE or ord(character) & 0xFFFE == 0xFFFE or "\ufdd0" <= character <= "\ufdef":
        return True
    return unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp")


def _may_stand(text: str, place: int) -> bool:
    """Whether a joiner stands where a script needs it: between two characters that it may join."""
    if text[place] not in _JOINERS or not 0 < place < len(text) - 1:
        return False
    return _is_joined(text[place - 1]) and _is_joined(text[place + 1])


def _is_joined(character: str) -> bool:
    if _SELECTORS.match(character):
        return True
    return unicodedata.category(character) in ("Lo", "Mn", "Mc", "So", "Sk") and not _UNJOINED.match(character)
