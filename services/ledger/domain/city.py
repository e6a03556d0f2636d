"""What the ledger knows of its city: the definitions in force and the area tree that owners come from."""

from __future__ import annotations

from dataclasses import dataclass

from services.ledger.domain.areas import AreaTree, Level
from services.ledger.domain.definition import Definition, Ledgers
from services.ledger.domain.entries import Entry


@dataclass(frozen=True, slots=True)
class City:
    ledgers: Ledgers
    areas: AreaTree

    def definition_of(self, entry: Entry) -> Definition:
        return self.ledgers.version(entry.ledger, entry.definition_version)

    def owner(self, definition: Definition, area: str) -> str:
        """Who owns an entry there, by the definition's level; of an area above that level, the area itself."""
        return self.areas.at_level(area, definition.owner_level)

    def district(self, area: str) -> str:
        return self.areas.at_level(self.areas.nearest(area), Level.DISTRICT)

    def above(self, owner: str) -> str:
        """Who hears when the owner is late: the area above; above the city there is nobody."""
        return self.areas.parent(owner) or owner

    def strength(self, entry: Entry) -> int:
        return self.definition_of(entry).strength
