"""How full a venue is: who went in and was not stopped, less who went out, since the city's day began."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from services.checkpoints.domain.facts import ScanFact


@dataclass(frozen=True, slots=True)
class Venue:
    """A venue with a capacity; `full_on` is the day of which it was last told full, while it is."""

    venue: str
    capacity: int
    full_on: date | None
    revision: int


@dataclass(frozen=True, slots=True)
class Occupancy:
    """Gates miss people: more may seem to have left than came, and then nobody is inside."""

    venue: str
    day: date
    entered: int
    departed: int

    @property
    def inside(self) -> int:
        return max(0, self.entered - self.departed)


def counts(scan: ScanFact) -> bool:
    """Whether a scan moves somebody: a person, at a gate that told the direction, and not one kept outside.

    What the gate did counts: where it had no network, what it decided alone.
    The record of a vehicle without its driver is nobody; its people have records of their own. A repeat is nobody else.
    """
    is_vehicle_alone = scan.vehicle_ref is not None and scan.person_ref is None and not scan.list
    if scan.revision != 1 or scan.is_self_reported or is_vehicle_alone or scan.repeat_of is not None:
        return False
    return scan.direction == "out" or (scan.direction == "in" and (scan.offline_decision or scan.decision) != "stop")
