"""Tell the present state again, at its present revisions, for whoever lost a part of the event log."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from services.ledger.domain.contacts import Trace
from services.ledger.domain.entries import Entry
from services.ledger.domain.evidence import Evidence
from services.ledger.domain.happenings import EntryClosed, EntryOpened, EvidenceFound, Happening, TraceRequested


def state_of(
    entries: Sequence[Entry], evidence: Iterable[Evidence], traces: Iterable[Trace], now: datetime
) -> list[Happening]:
    """An open entry is told as opened, with the stage it stands at; a closed one as closed; evidence as it is."""
    areas = {entry.entry_id: entry.area for entry in entries}
    return [
        *(EntryOpened(entry) if entry.is_open else EntryClosed(entry) for entry in entries),
        *(EvidenceFound(each, each.ended_at or now) for each in evidence),
        *(TraceRequested(trace, areas[trace.entry_id]) for trace in traces),
    ]
