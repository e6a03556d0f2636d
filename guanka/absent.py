"""What is said where a command finds no product, or one that does not answer: one word for all commands."""

from __future__ import annotations

import httpx
import psycopg

from chassis.event_log import EventLogUnavailable, UnknownTopic
from guanka.home import Home, NotRunning


def word_for(error: Exception, home: Home) -> str | None:
    """The message for an error that means this; None for any other, which is a defect and shows itself."""
    if isinstance(error, NotRunning):
        return str(error)
    if isinstance(error, httpx.TransportError | psycopg.OperationalError | EventLogUnavailable | UnknownTopic):
        return (
            f"The product that {home.run_file} tells of does not answer ({type(error).__name__}). "
            "Look at `guanka doctor`; if it was killed, start it again with `make run`."
        )
    if isinstance(error, OSError) and error.filename is not None and _is_in(home, str(error.filename)):
        return f"{error.filename}: {error.strerror}. Is GUANKA_HOME right? Guanka makes what is missing at `make run`."
    return None


def _is_in(home: Home, path: str) -> bool:
    return path.startswith(str(home.path))
