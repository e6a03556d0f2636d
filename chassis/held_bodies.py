"""How many bytes of large bodies one process holds at a time, so that callers cannot fill its memory together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from chassis.problems import Problem

SMALL_BYTES = 16_384
"""Smaller bodies are not counted: a connection holds as much while it is read."""
_CALLERS_AT_LEAST = 4


class HeldBodies:
    """Room for `bytes_max` bytes; one caller has a quarter of it, so that no caller takes it all."""

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._of_caller: Counter[str] = Counter()
        self._held = 0

    @contextmanager
    def hold(self, caller: str, size: int) -> Iterator[None]:
        """Room for a body of `size` bytes until its request is done. Raises `Problem` (503) where there is none.

        A caller who holds nothing yet may hold one body of any size.
        """
        own = self._of_caller[caller]
        if self._held + size > self._bytes_max or (own and own + size > self._bytes_max // _CALLERS_AT_LEAST):
            raise _full()
        self._held += size
        self._of_caller[caller] += size
        try:
            yield
        finally:
            self._held -= size
            self._of_caller[caller] -= size
            if not self._of_caller[caller]:
                del self._of_caller[caller]


def _full() -> Problem:
    return Problem(
        503,
        "bodies_full",
        "Too many large bodies are under way. Send this one again in some seconds, and one after the other.",
        headers={"Retry-After": "5"},
    )
