"""Tells Locust in groups what the journal noted, so that its table, CSV and HTML hold every request.

One by one, as `events.request.fire` does it, Locust's counting is a large part of the generator's CPU: two entries for
each request, and a hash of its error for each one refused.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Sequence

from locust.stats import RequestStats, StatsEntry, StatsError, bucket_response_time

from loadtests.journal import Journal, Kind, Result

METHOD = "POST"
NAMES = {
    Kind.SINGLE: "scan by pass",
    Kind.CARD: "scan by card",
    Kind.BATCH: "batch of scans",
    Kind.REPEAT: "scan sent again",
    Kind.SHOWING: "code shown",
}


class LocustStatistics:
    def __init__(self, journal: Journal, stats: RequestStats) -> None:
        self._journal, self._stats, self._told = journal, stats, 0

    def tell(self) -> None:
        """Everything noted since it was last told, as of now."""
        results = self._journal.results(self._told)
        self._told += len(results)
        groups: dict[tuple[int, int], list[Result]] = defaultdict(list)
        for result in results:
            groups[result.kind, result.status].append(result)
        for (kind, status), group in groups.items():
            name, is_failure = NAMES[Kind(kind)], not 200 <= status < 300
            entry = _entry(self._stats, name, group, is_failure=is_failure)
            self._stats.entries[name, METHOD].extend(entry)
            self._stats.total.extend(entry)
            if is_failure:
                self._tell_failures(name, status, len(group))

    def _tell_failures(self, name: str, status: int, count: int) -> None:
        text = f"status {status}" if status else "no answer"
        key = StatsError.create_key(METHOD, name, text)
        error = self._stats.errors.setdefault(key, StatsError(METHOD, name, text))
        error.occurred()
        error.occurrences += count - 1


def _entry(stats: RequestStats, name: str, group: Sequence[Result], *, is_failure: bool) -> StatsEntry:
    """What Locust would hold had it logged just these, all of this second."""
    entry, now, count = StatsEntry(stats, name, METHOD), time.time(), len(group)
    latencies = [result.latency_ms for result in group]
    entry.num_requests, entry.num_failures = count, count * is_failure
    entry.total_response_time = sum(latencies)  # type: ignore[assignment] (Locust's own are floats too)
    entry.min_response_time, entry.max_response_time = min(latencies), max(latencies)  # type: ignore[assignment]
    entry.total_content_length = sum(result.length for result in group)
    entry.response_times.update(Counter(map(bucket_response_time, latencies)))
    entry.num_reqs_per_sec[int(now)] = count
    entry.last_request_timestamp = now
    if is_failure:
        entry.num_fail_per_sec[int(now)] = count
    return entry
