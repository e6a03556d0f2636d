"""Gates that scan while things break: each keeps its connection, stands for one person, and writes the journal.

HTTP is spoken by hand, so that a connection that is refused, closed, reset or silent can be told apart.
"""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime

import orjson

from chassis.ids import uuid7
from tests.faults.journal import PATIENCE_S, Journal, Line

_AGAIN = ("refused", "closed", "reset", "timeout", "503")
_GIVES_UP_ONE_IN = 4
_REPEATS_ONE_IN = 20
_PAUSE_S = 0.2


class Rush:
    """People at gates, `rate` scans a second together; runs in a thread until `stop`. Passes are shown as of now.

    A scan that is not answered is sent again, as a gate does; one time in four the guard gives up and takes the next.
    Of those acknowledged one in twenty is sent again at once.
    """

    def __init__(
        self,
        port: int,
        token: str,
        checkpoint_id: str,
        show_pass: Callable[[int], str],
        *,
        people: int,
        rate: float,
        timeout_s: float,
    ) -> None:
        self.journal = Journal()
        self._port, self._token, self._checkpoint_id = port, token, checkpoint_id
        self._show_pass, self._people = show_pass, people
        self._pause_s, self._timeout_s = people / rate, timeout_s
        self._is_over = False
        self._gates: list[_Gate] = []
        self._chance = random.Random(1)
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), name="rush", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> Journal:
        """No new scans; those under way are sent until they are answered or given up."""
        self._is_over = True
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive(), "the gates are wedged"
        return self.journal

    def wait_for(self, scans: int) -> None:
        """Until so many more are acknowledged."""
        last = self._acknowledged()
        wanted, deadline = last + scans, time.monotonic() + PATIENCE_S
        while (now := self._acknowledged()) < wanted:
            if now > last:
                last, deadline = now, time.monotonic() + PATIENCE_S
            assert self._thread.is_alive(), "the gates have ended"
            assert time.monotonic() < deadline, f"no scan is acknowledged any more: {dict(self.journal.outcomes)}"
            time.sleep(0.02)

    def under_way(self) -> int:
        """How many requests have been sent whole and wait for an answer."""
        return sum(gate.is_awaiting for gate in self._gates)

    def _acknowledged(self) -> int:
        return self.journal.outcomes["200"]

    async def _run(self) -> None:
        await asyncio.gather(*(self._stand(person) for person in range(self._people)))

    async def _stand(self, person: int) -> None:
        gate = _Gate(self._port, self._token, self._timeout_s)
        self._gates.append(gate)
        due_at = time.monotonic() + self._pause_s * person / self._people
        try:
            while not self._is_over:
                await asyncio.sleep(max(0.0, due_at - time.monotonic()))
                due_at = max(due_at, time.monotonic() - 1.0) + self._pause_s
                await self._scan(gate, self._line(person))
        finally:
            gate.hang_up()

    def _line(self, person: int) -> Line:
        now = datetime.now(UTC)
        scan_id = str(uuid7(now))
        body = {
            "scan_id": scan_id,
            "checkpoint_id": self._checkpoint_id,
            "credential": {"pass": self._show_pass(person)},
            "direction": "in",
            "scanned_at": now.isoformat(),
        }
        return self.journal.open_line(scan_id, person, orjson.dumps(body))

    async def _scan(self, gate: _Gate, line: Line) -> None:
        while True:
            outcome, content = await gate.send(line.body)
            self.journal.note(outcome, gate.sent_at)
            if outcome == "200":
                self.journal.acknowledge(line, orjson.loads(content))
                if self._chance.randrange(_REPEATS_ONE_IN):
                    return
            elif outcome not in _AGAIN or not self._chance.randrange(_GIVES_UP_ONE_IN):
                return
            else:
                await asyncio.sleep(_PAUSE_S)


class _Gate:
    """One connection, made when it is needed; `sent_at` is when the last request had been sent whole, if it was."""

    def __init__(self, port: int, token: str, timeout_s: float) -> None:
        self._port, self._timeout_s = port, timeout_s
        self._head = f"POST /v1/scans HTTP/1.1\r\nHost: gate\r\nAuthorization: Bearer {token}\r\n"
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None
        self.sent_at: float | None = None
        self.is_awaiting = False

    async def send(self, body: bytes) -> tuple[str, bytes]:
        """(the status, the content), or (`refused`, `closed`, `reset` or `timeout`, nothing)."""
        self.sent_at = None
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._send(body)
        except TimeoutError:
            outcome = "timeout"
        except ConnectionRefusedError:
            outcome = "refused"
        except asyncio.IncompleteReadError as error:
            outcome = "reset" if error.partial else "closed"
        except (ConnectionError, BrokenPipeError):
            outcome = "reset"
        finally:
            self.is_awaiting = False
        self.hang_up()
        return outcome, b""

    async def _send(self, body: bytes) -> tuple[str, bytes]:
        if self._reader is None or self._reader.at_eof():
            self.hang_up()
            self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        assert self._writer is not None
        self._writer.write(f"{self._head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        if not self._writer.transport.get_write_buffer_size():
            self.sent_at, self.is_awaiting = time.monotonic(), True
        head = (await self._reader.readuntil(b"\r\n\r\n")).lower()
        length = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0])
        try:
            content = await self._reader.readexactly(length)
        except asyncio.IncompleteReadError:
            raise ConnectionResetError from None
        if b"connection: close" in head:
            self.hang_up()
        return head[9:12].decode(), content

    def hang_up(self) -> None:
        if self._writer is not None:
            self._writer.close()
        self._reader = self._writer = None
