"""What the ledger knows of its city: the definitions in force and the area tree that owners come from."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from city.areas import AreaTree, Level
from services.ledger.domain.definition import Definition, Ledgers
from services.ledger.domain.entries import Entry


@dataclass(frozen=True, slots=True)
class City:
    ledgers: Ledgers
    areas: AreaTree

    def definition_of(self, entry: Entry, now: datetime) -> Definition:
        """What the entry is kept by: the version that it was opened under, or the one that amends it by now."""
        return self.ledgers.rules_for(entry.ledger, entry.definition_version, now)

    def owner(self, definition: Definition, area: str) -> str:
        """Who owns an entry there, by the definition's level; of an area above that level, the area itself."""
        return self.areas.at_level(area, definition.owner_level)

    def district(self, area: str) -> str:
        return self.areas.at_level(self.areas.nearest(area), Level.DISTRICT)

    def above(self, owner: str) -> str:
        """Who hears when the owner is late: the area above; above the city there is nobody."""
        return self.areas.parent(owner) or owner

    def strength(self, entry: Entry) -> int:
        """As the entry was opened: an amendment does not change how strong a ledger is."""
        return self.ledgers.version(entry.ledger, entry.definition_version).strength
