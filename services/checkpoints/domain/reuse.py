"""A pass used twice: somebody holds a copy of somebody's pass.

A shown pass that has let somebody in is used up, at every gate, once for each direction. It is known by its entry and
the second in which it was issued. The same gate may read it again for a moment: that is a repeat, and nobody else. A
stricter decision at that gate ends the moment. A gate without a network knows only its own; what it let in is found
when it is uploaded, and told.

A printed pass is used for months, and somebody shows many passes. So beside that holds for every pass: no one is at two
gates that no one can reach in the time between. This rule is data (reuse/default.json). What speaks for the person
counts: straight lines, a speed above any train of the city's, clocks that may differ, and nothing at all within one
venue or below a distance.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from services.checkpoints.domain.errors import ReuseRuleIncomplete

REPEAT_S = 3
"""A gate that reads a pass again within so many seconds reads it once: scanners do, and people hold it twice."""
_EARTH_RADIUS_M = 6_371_000.0

UseKey = tuple[int, int, int, bool]
"""A use of a shown pass: list, idx, when it was issued (Unix seconds), whether out. A gate that tells no direction
lets in."""


@dataclass(frozen=True, slots=True)
class ReuseRule:
    """`version` such as `default@1`.

    `speed_m_s`: as fast as nobody travels. `distance_min_m`: nearer gates never count. `districts_apart_s`: what it
    takes at least from one district to another where the positions of gates are not known. `clocks_apart_s`: what the
    gates' clocks may differ by. `remember_s`: sightings further apart are not compared.
    """

    version: str
    speed_m_s: float
    distance_min_m: float
    districts_apart_s: float
    clocks_apart_s: float
    remember_s: float


@dataclass(frozen=True, slots=True)
class Place:
    """Where a gate stands; `lng` and `lat` in degrees, None where they are not known."""

    checkpoint_id: UUID
    venue: str
    district: str
    lng: float | None = None
    lat: float | None = None


@dataclass(frozen=True, slots=True)
class Sighting:
    """A pass was shown there; `at_s` in Unix seconds by the gate's clock."""

    scan_id: UUID
    place: Place
    at_s: float


def read_reuse_rule(document: Mapping[str, Any]) -> ReuseRule:
    """The rule of a JSON document. Raises `ReuseRuleIncomplete` that names what is missing."""
    names = ("speed_m_s", "distance_min_m", "districts_apart_s", "clocks_apart_s", "remember_s")
    try:
        figures = {name: float(document[name]) for name in names}
        version = str(document["reuse_rule"])
    except (KeyError, TypeError, ValueError) as error:
        raise ReuseRuleIncomplete(f"{type(error).__name__}: {error}") from None
    if not all(math.isfinite(each) and each >= 0 for each in figures.values()) or figures["speed_m_s"] <= 0:
        raise ReuseRuleIncomplete("every figure is a number from 0 on, and the speed is more")
    return ReuseRule(version, **figures)


def distance_m(one: Place, other: Place) -> float | None:
    """In a straight line over the ground; None where a position is not known."""
    if one.lng is None or one.lat is None or other.lng is None or other.lat is None:
        return None
    lat_1, lat_2 = math.radians(one.lat), math.radians(other.lat)
    lng_apart = math.radians(other.lng - one.lng)
    chord = math.sin((lat_2 - lat_1) / 2) ** 2 + math.cos(lat_1) * math.cos(lat_2) * math.sin(lng_apart / 2) ** 2
    return 2 * _EARTH_RADIUS_M * math.asin(math.sqrt(chord))


def seconds_needed(rule: ReuseRule, one: Place, other: Place) -> float:
    """The least time from one gate to the other; 0 where a use at both never counts."""
    if one.checkpoint_id == other.checkpoint_id or _is_same_venue(one, other):
        return 0.0
    distance = distance_m(one, other)
    if distance is not None:
        return distance / rule.speed_m_s if distance >= rule.distance_min_m else 0.0
    return rule.districts_apart_s if one.district and other.district and one.district != other.district else 0.0


def is_repeat(one: Sighting, other: Sighting) -> bool:
    """Whether a gate has only read the same use again."""
    return one.place.checkpoint_id == other.place.checkpoint_id and abs(one.at_s - other.at_s) <= REPEAT_S


def is_out_of_reach(rule: ReuseRule, one: Sighting, other: Sighting) -> bool:
    """Whether no one can have been at both gates at these times."""
    apart_s = abs(one.at_s - other.at_s)
    if apart_s > rule.remember_s:
        return False
    return apart_s + rule.clocks_apart_s < seconds_needed(rule, one.place, other.place)


def _is_same_venue(one: Place, other: Place) -> bool:
    """One venue, or one metro station, has many gates; the same name elsewhere is another's."""
    return bool(one.venue) and (one.venue, one.district) == (other.venue, other.district)
