"""Where the requests of one connection begin and end, and which of them are no HTTP/1 (RFC 9112). No I/O.

The parser behind this (httptools) copies a header again with every part of it that comes, takes heads of any size, and
forgives what a proxy in front may read otherwise. So a head reaches the parser only when it is whole, small and beyond
doubt; and of a connection one request at a time, so that a part of the stream costs a bounded part of a second.

Java's HTTP client asks for HTTP/2 with the first request of every unencrypted connection (`Upgrade: h2c`). A server may
answer as if nobody had asked (RFC 9110, section 7.8); the parser never hears the question, for it would take the body
for the other protocol's.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum, auto

from chassis.problems import Problem

CHUNKS_AT_ONCE = 256
_CHUNKED_BYTES_AT_ONCE = 65_536
_LENGTH_DIGITS_MAX, _CHUNK_DIGITS_MAX = 15, 12
_END = b"\r\n\r\n"

_TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_FIELD = _TOKEN + rb":[\t\x20-\x7e\x80-\xff]*\r\n"
_REQUEST_LINE = re.compile(rb"(" + _TOKEN + rb") [\x21-\x7e]+ (HTTP/[^ \r\n]*)\r\n")
_FIELDS = re.compile(rb"(?:" + _FIELD + rb")*\r\n")
_TRAILER = re.compile(_FIELD)
_VERSION = re.compile(rb"HTTP/\d+(\.\d+)?")
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*([^\r]*?)[ \t]*\r\n")
_CODING = re.compile(rb"\r\ntransfer-encoding:[ \t]*([^\r]*?)[ \t]*\r\n")
_UPGRADE = re.compile(rb"\r\nupgrade:[^\r]*(?=\r\n)", re.IGNORECASE)
_CHUNK_LINE = re.compile(rb"([0-9A-Fa-f]+)((?:[ \t]*;[\t\x20-\x7e\x80-\xff]*)?)\r\n")
_EMPTY_LINES = re.compile(rb"(?:\r\n)*")
_METHODS = frozenset((b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS", b"TRACE", b"CONNECT"))
"""Of RFC 9110 and RFC 5789; a route refuses those that it does not take."""
_ONE_OF_A_KIND = (b"authorization", b"content-length", b"host", b"transfer-encoding")


@dataclass(frozen=True, slots=True)
class FramingLimits:
    """`head_bytes_max` and `headers_max` bound the trailers of a chunked body too, and its chunk extensions."""

    head_bytes_max: int = 32_768
    headers_max: int = 100


class _At(Enum):
    HEAD = auto()
    SIZED_BODY = auto()
    CHUNK_LINE = auto()
    CHUNK = auto()
    TRAILERS = auto()


class Framing:
    """The state of one connection's stream. After a `Problem` was raised, nothing of the stream can be trusted."""

    __slots__ = ("_at", "_begun", "_beside_bytes", "_left", "_limits", "_lines")

    def __init__(self, limits: FramingLimits) -> None:
        self._limits = limits
        self._at = _At.HEAD
        self._begun = b""
        """What has come of a head, a chunk's line or the trailers that are not whole yet."""
        self._left = 0
        self._lines = self._beside_bytes = 0

    @property
    def is_in_body(self) -> bool:
        return self._at is not _At.HEAD

    @property
    def has_begun_head(self) -> bool:
        return self._at is _At.HEAD and bool(self._begun)

    @property
    def body_left(self) -> int | None:
        """Bytes of the body at hand that have not come; None where nobody has said."""
        return self._left if self._at in (_At.HEAD, _At.SIZED_BODY) else None

    def step(self, data: bytes) -> tuple[bytes, int]:
        """The next piece for the parser, empty while more must come, and how many bytes of `data` are done with.

        A piece ends at the latest where its message ends. Raises `Problem`: 400, 431, 501 or 505.
        """
        if self._at is _At.HEAD:
            return self._head(data)
        if self._at is _At.SIZED_BODY:
            piece = data[: self._left]
            self._left -= len(piece)
            if not self._left:
                self._at = _At.HEAD
            return piece, len(piece)
        return self._chunks(data)

    # -- heads ---------------------------------------------------------------------------------------------------------

    def _head(self, data: bytes) -> tuple[bytes, int]:
        before = len(self._begun)
        begun = self._begun + data[: self._limits.head_bytes_max + 1 - before]
        empty = _EMPTY_LINES.match(begun)
        start = empty.end() if empty else 0
        end = begun.find(_END, start)
        size = end + len(_END) if end >= 0 else len(begun)
        if size > self._limits.head_bytes_max or begun.count(b"\r\n", 0, size) > self._limits.headers_max + 2:
            raise _too_large(self._limits)
        if end < 0:
            _require_whole_line_ends(begun)
            if begun.count(b"\r\n", start) > self._limits.headers_max + 1:
                raise _too_large(self._limits)
            self._begun = begun
            return b"", len(begun) - before
        self._begun = b""
        return self._read(begun[start:size]), size - before

    def _read(self, head: bytes) -> bytes:
        """The head for the parser; the state is that after it."""
        method = _require_request_line(head)
        lowered = head.lower()
        _require_once_each(lowered)
        _require_host(head, lowered)
        length, coding = _LENGTH.search(lowered), _CODING.search(lowered)
        if coding is not None:
            _require_chunked(coding[1], has_length=length is not None, is_old=b" HTTP/1.0\r\n" in head)
            self._at, self._lines, self._beside_bytes = _At.CHUNK_LINE, 0, 0
        elif length is not None:
            if not length[1].isdigit() or len(length[1]) > _LENGTH_DIGITS_MAX:
                raise malformed("Content-Length must be a whole number of bytes")
            self._left = int(length[1])
            self._at = _At.SIZED_BODY if self._left else _At.HEAD
        if method == b"CONNECT":
            raise malformed("this server is no proxy")
        return _UPGRADE.sub(b"", head) if b"\r\nupgrade:" in lowered else head

    # -- chunked bodies ------------------------------------------------------------------------------------------------

    def _chunks(self, data: bytes) -> tuple[bytes, int]:
        before = len(self._begun)
        data, self._begun = self._begun + data[:_CHUNKED_BYTES_AT_ONCE], b""
        at = 0
        for _ in range(CHUNKS_AT_ONCE):
            if self._at is _At.CHUNK:
                taken = min(self._left, len(data) - at)
                at, self._left = at + taken, self._left - taken
                if self._left:
                    break
                self._at = _At.CHUNK_LINE
            end = data.find(b"\n", at) + 1
            if not end:
                self._keep(data[at:])
                return data[:at], len(data) - before
            self._line(data[at:end])
            at = end
            if self._at is _At.HEAD:
                break
        return data[:at], at - before

    def _keep(self, begun: bytes) -> None:
        if len(begun) > self._limits.head_bytes_max:
            raise _too_large(self._limits)
        self._begun = begun

    def _line(self, line: bytes) -> None:
        """A line between chunks, or of the trailers."""
        if self._at is _At.CHUNK_LINE:
            read = _CHUNK_LINE.fullmatch(line)
            if read is None or len(read[1]) > _CHUNK_DIGITS_MAX:
                raise malformed("a chunk begins with its size in hexadecimal digits")
            self._count_beside(len(read[2]), lines=0)
            size = int(read[1], 16)
            self._at, self._left = (_At.CHUNK, size + 2) if size else (_At.TRAILERS, 0)
        elif line == b"\r\n":
            self._at = _At.HEAD
        elif _TRAILER.fullmatch(line) is None:
            raise malformed("a trailer is a name, a colon and a value")
        else:
            self._count_beside(len(line), lines=1)

    def _count_beside(self, size: int, lines: int) -> None:
        self._beside_bytes += size
        self._lines += lines
        if self._beside_bytes > self._limits.head_bytes_max or self._lines > self._limits.headers_max:
            raise _too_large(self._limits)


def _require_whole_line_ends(begun: bytes) -> None:
    """A line that ends otherwise would never end the head, and this would wait for it."""
    pairs = begun.count(b"\r\n")
    if begun.count(b"\n") != pairs or begun.count(b"\r", 0, len(begun) - 1) > pairs:
        raise malformed("a line ends with CR and LF, and neither stands alone")


def _require_request_line(head: bytes) -> bytes:
    """The method, once the line and the form of all headers are right."""
    line = _REQUEST_LINE.match(head)
    if line is None or _VERSION.fullmatch(line[2]) is None:
        raise malformed("the first line is a method, a target in ASCII and the version")
    if line[2] not in (b"HTTP/1.1", b"HTTP/1.0"):
        raise Problem(505, "http_version_unknown", "This server speaks HTTP/1.1 and HTTP/1.0.")
    if line[1] not in _METHODS:
        raise malformed("the method is none of GET, HEAD, POST, PUT, PATCH, DELETE and OPTIONS")
    if _FIELDS.fullmatch(head, line.end()) is None:
        raise malformed("a header is a name, a colon and a value on one line, without control characters")
    return line[1]


def _require_once_each(lowered: bytes) -> None:
    for name in _ONE_OF_A_KIND:
        if lowered.count(b"\r\n" + name + b":") > 1:
            raise Problem(400, "header_repeated", f"The header {name.decode().title()} may stand in a request once.")


def _require_host(head: bytes, lowered: bytes) -> None:
    if b"\r\nhost:" not in lowered and b" HTTP/1.1\r\n" in head:
        raise malformed("a request of HTTP/1.1 names its Host")


def _require_chunked(coding: bytes, *, has_length: bool, is_old: bool) -> None:
    """Length and coding together, or a coding behind `chunked`, are how a request is hidden in another's body."""
    if has_length:
        raise malformed("Content-Length and Transfer-Encoding exclude each other")
    if is_old:
        raise malformed("HTTP/1.0 has no Transfer-Encoding")
    if coding == b"chunked":
        return
    codings = [each.strip() for each in coding.split(b",")]
    if b"chunked" in codings[:-1] or codings == [b""]:
        raise malformed("the coding chunked comes last, and once")
    raise Problem(501, "transfer_coding_unknown", "The one transfer coding that this server knows is chunked.")


def malformed(why: str) -> Problem:
    return Problem(400, "request_malformed", f"This is no request of HTTP/1.1: {why}.")


def _too_large(limits: FramingLimits) -> Problem:
    return Problem(
        431,
        "head_too_large",
        f"A head has at most {limits.head_bytes_max} bytes and {limits.headers_max} headers. Send a smaller one.",
    )
