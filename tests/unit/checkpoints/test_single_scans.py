"""Single scans wait unread for their turn, and are shed unread when they waited too long."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest

from chassis.clock import utc_now
from services.checkpoints.answers import AnswerTimes
from services.checkpoints.domain.policy import Say
from services.checkpoints.domain.scans import Checkpoint, Colour, Decision, Ruling
from services.checkpoints.rate_limit import Admission, RateLimit
from services.checkpoints.single_scans import SingleScans
from services.checkpoints.standing_queue import StandingQueue

Tell = Callable[[Ruling | Exception], None]
GATE = Checkpoint(UUID(int=1), "metro", "A gate", "", "440103", "")
RULING = Ruling(Decision.PASS, Colour.GREEN, None, "default@1", 1, utc_now())


class FakeScanPath:
    """Records nothing: the test says when a scan is durable."""

    def __init__(self) -> None:
        self.begun: list[Tell] = []

    def begin_scan(
        self, _attempt: Any, _checkpoint: Any, _now: Any, tell: Callable[[Ruling | Exception], None]
    ) -> None:
        self.begun.append(tell)


class FakeReader:
    """Knows how many bodies were read."""

    def __init__(self) -> None:
        self.read_bodies = 0

    def read(self, body: Any, _now: Any) -> Any:
        self.read_bodies += 1
        return SimpleNamespace(scan_id=body["scan_id"], people=(), person_ref=None)


class Post:
    """One process's single scans with two under way at once and three that may wait, or one in a standing queue."""

    def __init__(self) -> None:
        self.path, self.reader = FakeScanPath(), FakeReader()
        parts: Any = SimpleNamespace(
            scan_path=self.path,
            attempts=self.reader,
            checkpoints=SimpleNamespace(known=lambda _bearer, _attempt: GATE),
            policies=SimpleNamespace(words=lambda _kind, _ruling: Say("请通行", "Go on")),
            masks=SimpleNamespace(is_wanted=lambda *_: False),
            clock=utc_now,
            admission=Admission(RateLimit(0), 2),
        )
        self.queue = StandingQueue(target_s=0.02, wait_s_max=0.05)
        self.singles = SingleScans(parts, AnswerTimes(), self.queue, waiting_max=3)
        self.answers: list[tuple[str, int]] = []

    def send(self, name: str) -> None:
        def respond(status: int, body: bytes, media_type: str = "", headers: Any = None) -> None:
            if status == 503:
                assert json.loads(body)["code"] == "overloaded"
                assert int(headers["Retry-After"]) >= 1
            self.answers.append((name, status))

        bearer: Any = SimpleNamespace(subject="gate")
        self.singles.take(bearer, json.dumps({"scan_id": name}).encode(), respond)

    def finish(self) -> None:
        """The two that are under way become durable."""
        begun, self.path.begun = self.path.begun, []
        for tell in begun:
            tell(RULING)


@pytest.fixture
def post() -> Post:
    return Post()


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not is_so():
            await asyncio.sleep(0.001)


def test_scans_beyond_those_under_way_wait_unread_and_are_read_in_their_order(post: Post) -> None:
    async def play() -> None:
        for name in "abcde":
            post.send(name)
        assert (post.reader.read_bodies, post.singles.waiting()) == (2, 3)
        post.finish()
        await until(lambda: post.reader.read_bodies == 4)
        post.finish()
        await until(lambda: post.reader.read_bodies == 5)
        post.finish()

    asyncio.run(play())
    assert post.answers == [(name, 200) for name in "abcde"]


def test_a_full_queue_refuses_the_next_scan_at_once_and_unread(post: Post) -> None:
    async def play() -> None:
        for name in "abcdef":
            post.send(name)

    asyncio.run(play())
    assert post.answers == [("f", 503)]
    assert post.singles.is_full()
    assert post.reader.read_bodies == 2


def test_in_a_standing_queue_the_next_scan_is_refused_at_once_instead_of_by_its_age(post: Post) -> None:
    async def play() -> None:
        for name in "abc":
            post.send(name)
        assert not post.singles.is_full()
        post.queue.is_standing = True
        post.send("d")

    asyncio.run(play())
    assert post.answers == [("d", 503)]
    assert (post.reader.read_bodies, post.singles.waiting()) == (2, 1)


def test_a_scan_that_waited_too_long_is_refused_unread_though_nothing_else_happens(post: Post) -> None:
    async def play() -> None:
        for name in "abcd":
            post.send(name)
        await until(lambda: len(post.answers) == 2)

    asyncio.run(play())
    assert post.answers == [("c", 503), ("d", 503)]
    assert post.reader.read_bodies == 2
    assert post.singles.waiting() == 0


def test_a_scan_that_cannot_be_read_makes_room_for_the_next(post: Post) -> None:
    async def play() -> None:
        for name in "abc":
            post.send(name)
        bearer: Any = SimpleNamespace(subject="gate")
        post.singles.take(bearer, b"{", lambda status, *_: post.answers.append(("no JSON", status)))
        post.send("d")
        post.finish()
        await until(lambda: post.reader.read_bodies == 4)
        post.finish()

    asyncio.run(play())
    assert sorted(post.answers) == [("a", 200), ("b", 200), ("c", 200), ("d", 200), ("no JSON", 422)]
