"""Heads of requests that say nothing unusual, read in one go; those that came lately are remembered with what they say.

A general parser calls back for each header, and costs more than the rest of a short request. Most heads are a POST, a
few headers with one value each and the length of the body. Such a head is read here by one expression. Whatever is
not of that form is not wrong: it goes the usual way, through framing.py and the parser. So this must never read a head
that those refuse or read otherwise; tests/unit/chassis/test_plain_heads.py compares both.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

END = b"\r\n\r\n"
BYTES_MAX = 2_048
BODY_BYTES_MAX = 16_384
_HEADERS_MAX, _REMEMBERED_MAX = 32, 5_000
_LENGTH_DIGITS_MAX = len(str(BODY_BYTES_MAX))

_REQUEST_LINE = re.compile(rb"POST (/[A-Za-z0-9._/\-]*) HTTP/1\.1\r\n")
_FIELD = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+): ([\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?)\r\n")
_FIELD_MARKS = len(b": \r\n")
_UNUSUAL = (b"connection", b"expect", b"proxy-connection", b"transfer-encoding", b"upgrade")
"""Headers by which a request asks for something else than an answer."""

Headers = Mapping[bytes, bytes]
"""Names in small letters."""


class PlainHead(NamedTuple):
    """A plain head, read; the connection stays open after it. `size` is that of the body in bytes."""

    target: bytes
    headers: Headers
    size: int


def read_plain_head(raw: bytes) -> PlainHead | None:
    """The head, given with the empty line at its end; None for one that goes the usual way."""
    line = _REQUEST_LINE.match(raw)
    if line is None:
        return None
    fields = _FIELD.findall(raw, line.end())
    if line.end() + sum([len(name) + len(value) + _FIELD_MARKS for name, value in fields]) + 2 != len(raw):
        return None
    headers = {name.lower(): value for name, value in fields}
    if not len(headers) == len(fields) <= _HEADERS_MAX or b"host" not in headers:
        return None
    if any(name in headers for name in _UNUSUAL) and not _only_stays_open(headers):
        return None
    length = headers.get(b"content-length", b"")
    if not length.isdigit() or len(length) > _LENGTH_DIGITS_MAX or int(length) > BODY_BYTES_MAX:
        return None
    return PlainHead(line[1], headers, int(length))


def _only_stays_open(headers: Headers) -> bool:
    """`Connection: keep-alive` says what HTTP/1.1 means anyway."""
    return [name for name in _UNUSUAL if name in headers] == [b"connection"] and headers[b"connection"] == b"keep-alive"


class PlainHeads:
    """By all of their bytes, as they came at the beginning of a message; those that came lately."""

    def __init__(self) -> None:
        self._young: dict[bytes, PlainHead] = {}
        self._old: dict[bytes, PlainHead] = {}

    def read(self, raw: bytes) -> PlainHead | None:
        head = self._young.get(raw)
        if head is None:
            head = self._old.get(raw) or read_plain_head(raw)
            if head is not None:
                self._remember(raw, head)
        return head

    def _remember(self, raw: bytes, head: PlainHead) -> None:
        if len(self._young) >= _REMEMBERED_MAX:
            self._old, self._young = self._young, {}
        self._young[raw] = head
