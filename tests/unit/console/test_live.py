"""The live stream: one picture for all screens, slow ones dropped, all ended with the process."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine, Mapping, Set
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from sqlalchemy.exc import OperationalError
from starlette.types import Message

from services.console.domain.figures import (
    NO_ALARMS,
    Alarm,
    AreaAlarms,
    Figures,
    Reach,
    colour_figures,
    scan_figures,
)
from services.console.domain.processes import away
from services.console.domain.sources import Source
from services.console.domain.words import Label
from services.console.live import PICTURES_WAITING_MAX, Live, LiveResponse, Screen, ScreenLimits

NOW = datetime(2020, 3, 2, tzinfo=UTC)
ROOMY = ScreenLimits(officials_max=200, public_max=200, per_caller_max=200)


def figures_at(now: datetime) -> Figures:
    return Figures(now, 0.0, scan_figures({}, {}, now), colour_figures({}, {}), 0, [], 0)


def live_of(
    read: Callable[[datetime], Figures] = figures_at,
    *,
    alarms: Mapping[str, AreaAlarms] = MappingProxyType({}),
    limits: ScreenLimits = ROOMY,
    period_s: float = 0.01,
) -> Live:
    def with_alarms(now: datetime, watched: Set[str]) -> tuple[Figures, Mapping[str, AreaAlarms]]:
        return read(now), {area: alarms.get(area, NO_ALARMS) for area in watched}

    return Live(
        with_alarms,
        processes=lambda: [away("codes-worker")],
        sources=lambda _now, until: {"codes": Source(until, 0.0)},
        clock=lambda: NOW,
        limits=limits,
        period_s=period_s,
    )


def run(story: Callable[[], Coroutine[Any, Any, None]]) -> None:
    async def in_time() -> None:
        async with asyncio.timeout(10):
            await story()

    asyncio.run(in_time())


async def collect(screen: Screen, chunks: list[bytes]) -> None:
    async for chunk in screen.chunks():
        chunks.append(chunk)


def test_a_hundred_screens_cost_as_many_reads_as_one() -> None:
    reads = 0

    def counting(now: datetime) -> Figures:
        nonlocal reads
        reads += 1
        return figures_at(now)

    async def story() -> None:
        live = live_of(counting)
        seen: list[list[bytes]] = [[] for _ in range(100)]
        screens = [Screen() for _ in seen]
        for screen in screens:
            live.join(screen)
        watching = [asyncio.create_task(collect(*pair)) for pair in zip(screens, seen, strict=True)]
        running = asyncio.create_task(live.run())
        while len(seen[0]) < 7:
            await asyncio.sleep(0)
        live.end()
        await asyncio.gather(running, *watching)
        assert all(chunks[2] is seen[0][2] for chunks in seen), "the same bytes for all"
        assert reads <= len(seen[0]) + 1

    run(story)


def test_a_picture_is_one_json_object_after_the_time_to_come_back() -> None:
    async def story() -> None:
        live, screen, chunks = live_of(), Screen(), list[bytes]()
        live.join(screen)
        watching = asyncio.create_task(collect(screen, chunks))
        running = asyncio.create_task(live.run())
        while len(chunks) < 3:
            await asyncio.sleep(0)
        live.end()
        await asyncio.gather(running, watching)
        assert chunks[0] == b"retry: 2000\n\n"
        document = json.loads(chunks[2].removeprefix(b"data: "))
        assert document["at"] == "2020-03-02T00:00:00Z"
        assert document["figures"]["scans"]["last_minute"] == {"pass": 0, "check": 0, "stop": 0}
        assert document["processes"][0]["label"] == {"zh": "失联", "en": "Away"}
        assert "person" not in chunks[2].decode()

    run(story)


def test_a_screen_that_comes_later_gets_the_last_picture_at_once() -> None:
    async def story() -> None:
        live = live_of(period_s=60)
        running = asyncio.create_task(live.run())
        while live.snapshot is None:
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        late, chunks = Screen(), list[bytes]()
        live.join(late)
        late_task = asyncio.create_task(collect(late, chunks))
        while len(chunks) < 2:
            await asyncio.sleep(0)
        assert chunks[1].startswith(b"data: ")
        live.end()
        await late_task
        running.cancel()

    run(story)


def test_a_screen_that_does_not_keep_up_is_dropped_and_the_others_go_on() -> None:
    async def story() -> None:
        live, slow, quick, chunks = live_of(), Screen(), Screen(), list[bytes]()
        live.join(slow)
        live.join(quick)
        reading = asyncio.create_task(collect(quick, chunks))
        for number in range(PICTURES_WAITING_MAX + 3):
            live.show(b"data: %d\n\n" % number)
            await asyncio.sleep(0)
        assert live.screens == 1
        late: list[bytes] = []
        await collect(slow, late)
        assert late == [b"retry: 2000\n\n"], "it ends, and comes back for the newest"
        live.end()
        await reading
        assert len(chunks) == PICTURES_WAITING_MAX + 5

    run(story)


def test_a_send_that_never_returns_ends_the_stream() -> None:
    async def story() -> None:
        live = live_of()

        async def stuck(_message: Message) -> None:
            await asyncio.Event().wait()

        async def receive() -> Message:
            await asyncio.Event().wait()
            raise AssertionError

        await LiveResponse(live, Screen(), send_s_max=0.05)({"type": "http"}, receive, stuck)
        assert live.screens == 0

    run(story)


def test_a_reader_that_leaves_is_forgotten() -> None:
    async def story() -> None:
        live, sent = live_of(), list[Message]()

        async def send(message: Message) -> None:
            sent.append(message)

        async def receive() -> Message:
            while len(sent) < 3:
                await asyncio.sleep(0)
            return {"type": "http.disconnect"}

        await LiveResponse(live, Screen())({"type": "http"}, receive, send)
        assert live.screens == 0

    run(story)


def test_while_the_store_is_away_the_processes_are_told_without_figures() -> None:
    def away_store(now: datetime) -> Figures:
        raise OperationalError("SELECT", {}, Exception("gone"))

    async def story() -> None:
        snapshot = await live_of(away_store).take()
        assert snapshot.figures is None
        assert [process.name for process in snapshot.processes] == ["codes-worker"]

    run(story)


def test_a_figure_that_cannot_be_made_does_not_end_the_stream() -> None:
    def broken(now: datetime) -> Figures:
        raise ZeroDivisionError

    async def story() -> None:
        assert (await live_of(broken).take()).figures is None

    run(story)


def test_when_the_process_is_told_to_end_every_stream_ends_and_none_begins() -> None:
    async def story() -> None:
        is_ending = False
        live, screen = live_of(period_s=60), Screen()
        live.join(screen)
        watching = asyncio.create_task(collect(screen, []))
        ending = asyncio.create_task(live.end_when(lambda: is_ending))
        is_ending = True
        await asyncio.gather(ending, watching)
        refused, chunks = Screen(), list[bytes]()
        live.join(refused)
        await collect(refused, chunks)
        assert chunks == [b"retry: 2000\n\n"]

    run(story)


def alarm_in(area: str) -> Alarm:
    return Alarm(f"alarm-{area}", "fever", Label("发热", "Fever"), "owner", area, "name", "post", NOW)


def test_each_screen_is_told_what_its_bearer_reaches_and_one_without_a_token_no_place() -> None:
    async def story() -> None:
        alarms = {area: AreaAlarms(1, [alarm_in(area)]) for area in ("440103", "440111")}
        live = live_of(alarms=alarms)
        reaches = [
            None,
            Reach("440103", "荔湾区", shows_alarms=True),
            Reach("440111", "白云区", shows_alarms=True),
            Reach("440103", "荔湾区", shows_alarms=False),
        ]
        screens = [Screen(reach) for reach in reaches]
        seen: list[list[bytes]] = [[] for _ in screens]
        for screen in screens:
            live.join(screen)
        watching = [asyncio.create_task(collect(*pair)) for pair in zip(screens, seen, strict=True)]
        running = asyncio.create_task(live.run())
        while any(len(chunks) < 6 for chunks in seen):
            await asyncio.sleep(0)
        live.end()
        await asyncio.gather(running, *watching)
        public, liwan, baiyun, silent = (json.loads(chunks[5].removeprefix(b"data: ")) for chunks in seen)
        assert (public["figures"]["alarms"], public["reach"]) == ([], None)
        assert "4401" not in seen[0][5].decode()
        assert [each["area"] for each in liwan["figures"]["alarms"]] == ["440103"]
        assert [each["area"] for each in baiyun["figures"]["alarms"]] == ["440111"]
        assert liwan["reach"] == {"area": "440103", "area_name": "荔湾区", "shows_alarms": True, "alarms_today": 1}
        assert silent["figures"]["alarms"] == []

    run(story)


def test_a_stream_ends_when_its_token_expires() -> None:
    async def story() -> None:
        live, chunks = live_of(), list[bytes]()
        screen = Screen(Reach("4401", "广州市", shows_alarms=True), ends_at=NOW.timestamp())
        live.join(screen)
        live.show()
        await collect(screen, chunks)
        assert (live.screens, chunks) == (0, [b"retry: 2000\n\n"])

    run(story)


def test_a_screen_that_was_dropped_gives_its_room_back_once() -> None:
    async def story() -> None:
        live = live_of(limits=ScreenLimits(officials_max=1, public_max=1, per_caller_max=1))
        caller = ("address", "192.0.2.7")
        dropped = Screen(ends_at=NOW.timestamp(), caller=caller)
        live.join(dropped)
        assert live.has_too_many_of(caller)
        assert live.is_full_for(Screen())
        live.show()
        live.leave(dropped)
        assert not live.has_too_many_of(caller)
        assert not live.is_full_for(Screen())
        live.join(Screen())
        assert live.is_full_for(Screen())
        assert not live.is_full_for(Screen(Reach("4401", "广州市", shows_alarms=False)))

    run(story)
