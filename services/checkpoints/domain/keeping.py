"""How long what scans show is kept: in the table, in the log, and in the answers of traces that lie there (ADR D16)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from services.checkpoints.domain.facts import ScanFact
from services.checkpoints.domain.tracing import Meeting

TOLD_LATE = timedelta(days=8)
"""A gate without a network may bring a scan seven days late; with its person, who became known, it is told a day on."""
SEGMENT = timedelta(days=1)
"""An event log that destroys whole segments closes one at the latest after so long."""
_MEETINGS_TOLD = timedelta(days=21)
"""The two weeks that the ledger looks back, and one that a gate may be late."""
_TRACES_IN_LOG_MIN, _TRACES_IN_LOG_MAX = timedelta(days=1), timedelta(days=6)


@dataclass(frozen=True, slots=True)
class Keeping:
    """`history`: the most that a scan is kept anywhere (`HISTORY_DAYS`), from when it was taken."""

    history: timedelta

    @property
    def in_log(self) -> timedelta:
        """Of scans and what they bring to light: the log counts from the writing, and whole segments."""
        return self.history - TOLD_LATE - SEGMENT

    @property
    def traces_in_log(self) -> timedelta:
        """Of a trace's answer, short enough that it may tell of meetings of three weeks ago."""
        room = self.history - _MEETINGS_TOLD - SEGMENT
        return min(_TRACES_IN_LOG_MAX, max(_TRACES_IN_LOG_MIN, room))

    def scans_since(self, now: datetime) -> datetime:
        """What is older is not read any more, though the day around it may not be destroyed yet."""
        return now - self.history

    def meetings_told_since(self, now: datetime) -> datetime:
        """What is older is not put into the log: it would lie there for longer than it may be kept."""
        return now - (self.history - self.traces_in_log - SEGMENT)

    def forgotten_at(self, meetings: Collection[Meeting]) -> datetime | None:
        """When the first scan of the meetings, the case's or the contact's, may be kept no longer; None for none."""
        began = [meeting.met_at - timedelta(seconds=meeting.apart_s) for meeting in meetings]
        return min(began) + self.history if began else None


def told_still(scans: Sequence[ScanFact], now: datetime) -> list[ScanFact]:
    """The scans of which something may still be told: the log would keep it of older ones for too long.

    They only come so late when the worker was away for days, or a dead letter is replayed.
    """
    return [scan for scan in scans if scan.scanned_at >= now - TOLD_LATE]
