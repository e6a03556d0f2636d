"""What one caller may ask of a connection: how large, how slowly, and how many at a time."""

from __future__ import annotations

import resource
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from chassis.framing import FramingLimits
from chassis.problems import Problem
from chassis.telemetry import meter

Network = IPv4Network | IPv6Network

refused = meter.create_counter("http_requests_refused", description="requests that were no good HTTP, by problem code")

_FILES_OF_OUR_OWN = 500
_HOME_BITS = 64
"""Of an IPv6 address: one subscriber has all addresses that begin with these."""


@dataclass(frozen=True, slots=True)
class Limits:
    """`connections_max` is of one process: beyond it the longest idle ones are closed.

    `head_s` is from a head's first byte to its last. A body that is awaited longer than `body_grace_s` must bring
    `body_bytes_per_s_min`, on the average of each `body_look_s`, and be whole within `body_s`.
    """

    framing: FramingLimits = field(default_factory=FramingLimits)
    head_s: float = 10.0
    body_grace_s: float = 10.0
    body_look_s: float = 5.0
    body_bytes_per_s_min: int = 500
    body_s: float = 120.0
    connections_per_address_max: int = 4_000
    connections_max: int = 1_000_000
    trusted_proxies: tuple[Network, ...] = ()

    def door_of(self, address: str) -> str | None:
        """What connections from `address` are counted under; None where they are not counted."""
        return _door_of(address, self.trusted_proxies)


DEFAULT_LIMITS = Limits()


def networks(listed: str) -> tuple[Network, ...]:
    """`10.0.0.0/8, 192.0.2.7` as networks. Raises ValueError."""
    return tuple(ip_network(each.strip()) for each in listed.split(",") if each.strip())


@lru_cache(maxsize=4096)
def _door_of(address: str, trusted: Sequence[Network]) -> str | None:
    try:
        caller = ip_address(address.partition("%")[0])
    except ValueError:
        return None
    if isinstance(caller, IPv6Address) and caller.ipv4_mapped is not None:
        caller = caller.ipv4_mapped
    if any(caller in network for network in trusted):
        return None
    return str(caller if caller.version == 4 else ip_network((caller, _HOME_BITS), strict=False))


def connections_max() -> int:
    """What this process may hold: its open files, of which the store, the logs and the keys need some."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return max(64, hard - _FILES_OF_OUR_OWN)


class Doors:
    """How many connections each address has in this process."""

    def __init__(self) -> None:
        self._open: Counter[str] = Counter()

    def enter(self, door: str | None) -> int:
        """The connections of that address, with this one."""
        if door is None:
            return 0
        self._open[door] += 1
        return self._open[door]

    def leave(self, door: str | None) -> None:
        if door is None:
            return
        self._open[door] -= 1
        if self._open[door] <= 0:
            del self._open[door]


def too_slow(part: str) -> Problem:
    return Problem(408, "request_timeout", f"The {part} of the request came too slowly. Send it again, in one go.")


def too_many_connections() -> Problem:
    return Problem(
        429,
        "too_many_connections",
        "There are too many connections from this address. Keep one open and send the requests over it.",
        headers={"Retry-After": "5"},
    )
