"""`guanka up`: start everything, say when it is ready, watch it, and end it cleanly on Ctrl-C or SIGTERM."""

from __future__ import annotations

import signal
import time
from types import FrameType

from rich.console import Console
from rich.table import Table

from guanka.home import AlreadyRunning, Home
from guanka.stack import CannotStart, Stack

_LOOK_S = 0.1


class _Stopped(BaseException):
    """SIGTERM or SIGINT came."""


def _on_signal(_number: int, _frame: FrameType | None) -> None:
    raise _Stopped


def run(home: Home, *, port_base: int, events: str, brokers: int) -> int:
    """The exit status: 0 after a clean stop, 1 where it could not start."""
    console = Console(stderr=False, highlight=False)

    def say(text: str) -> None:
        console.print(f"[dim]{time.strftime('%H:%M:%S')}[/] {text}")

    try:
        lock = home.lock()
    except AlreadyRunning as error:
        console.print(f"[red]{error}[/]")
        return 1
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, _on_signal)
    stack = Stack(home, port_base=port_base, events=events, brokers=brokers, say=say)
    status = 0
    try:
        _serve(stack, console)
    except _Stopped:
        say("stopping")
    except CannotStart as error:
        console.print(f"[red]Guanka cannot start:[/] {error}", soft_wrap=True)
        status = 1
    finally:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        stack.stop()
        lock.close()
    say("stopped; the state is kept for the next start")
    return status


def _serve(stack: Stack, console: Console) -> None:
    started = time.monotonic()
    stack.say(f"starting Guanka ({stack.events} event log, state in {stack.home.path})")
    stack.start()
    _show_ready(stack, console, time.monotonic() - started)
    while True:
        stack.turn()
        time.sleep(_LOOK_S)


def _show_ready(stack: Stack, console: Console, seconds: float) -> None:
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    for name, offset, what in (
        ("console", 0, "the operators' page: open it in a browser"),
        ("codes", 1, "issues and evaluates codes (/docs)"),
        ("checkpoints", 2, "takes scans (/docs)"),
        ("ledger", 3, "keeps the closed loops (/docs)"),
    ):
        table.add_row(f"[bold]{name}[/]", f"http://127.0.0.1:{stack.port_base + offset}", f"[dim]{what}[/]")
    console.print(table)
    for role, token in stack.tokens().items():
        console.print(f"[dim]{role} token:[/] {token}", soft_wrap=True)
    console.print("[dim]others: guanka token ROLE [--area CODE] [--checkpoint ID…] [--person REF][/]")
    console.print(
        f"[bold green]Guanka is ready[/] after {seconds:.1f} s. Next: [bold]make demo[/]. Ctrl-C stops everything."
    )
