"""Registrations as stored: who came from where to where, and their identity, sealed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Connection, RowMapping

from services.checkpoints.domain.registrations import Admittance, Registration
from services.checkpoints.domain.scans import Decision

_ADD = sa.text("""
INSERT INTO registration (registration_id, checkpoint_id, person_ref, document_type, country, number_sealed,
                          name_sealed, phone_sealed, from_area, to_area, temperature_c, vehicle_ref, registered_at,
                          recorded_at, registered_by, decision, outcome, policy_version, offline_decision,
                          offline_policy_version, digest)
VALUES (:registration_id, :checkpoint_id, :person_ref, :document_type, :country, :number_sealed, :name_sealed,
        :phone_sealed, :from_area, :to_area, :temperature_c, :vehicle_ref, :registered_at, :recorded_at,
        :registered_by, :decision, :outcome, :policy_version, :offline_decision, :offline_policy_version, :digest)
ON CONFLICT (registration_id) DO NOTHING
""")
_FIND = sa.text("SELECT * FROM registration WHERE registration_id = :id")
_FIRST = sa.text("""
SELECT digest, decision, outcome, policy_version, recorded_at FROM registration WHERE registration_id = :id
""")
_REGISTRATION = (
    "registration_id, checkpoint_id, person_ref, from_area, to_area, temperature_c, vehicle_ref, registered_at, "
    "offline_decision, offline_policy_version, digest"
)
_PAGE = sa.text(f"""
SELECT {_REGISTRATION} FROM registration WHERE registration_id > :after AND registered_at >= :since
ORDER BY registration_id LIMIT :most
""")  # noqa: S608 (our own names)
_KEEP_TAKEN = sa.text("""
UPDATE registration SET offline_decision = :decision, offline_policy_version = :policy_version
WHERE registration_id = :id
  AND (offline_decision IS NULL OR (offline_decision, offline_policy_version) = (:decision, :policy_version))
""")


@dataclass(frozen=True, slots=True)
class SealedIdentity:
    """The document's type and country in clear, number, name and phone sealed under the person."""

    document_type: str
    country: str
    number: bytes
    name: bytes | None
    phone: bytes


def add(
    tx: Connection, registration: Registration, identity: SealedIdentity, admittance: Admittance, *, by: str
) -> bool:
    """False when the id is taken."""
    row: Mapping[str, object] = {
        "registration_id": registration.registration_id,
        "checkpoint_id": registration.checkpoint_id,
        "person_ref": registration.person_ref,
        "document_type": identity.document_type,
        "country": identity.country,
        "number_sealed": identity.number,
        "name_sealed": identity.name,
        "phone_sealed": identity.phone,
        "from_area": registration.from_area,
        "to_area": registration.to_area,
        "temperature_c": registration.temperature_c,
        "vehicle_ref": registration.vehicle_ref,
        "registered_at": registration.registered_at,
        "recorded_at": admittance.recorded_at,
        "registered_by": by,
        "decision": admittance.decision.value,
        "outcome": admittance.outcome,
        "policy_version": admittance.policy_version,
        "offline_decision": registration.offline_decision,
        "offline_policy_version": registration.offline_policy_version,
        "digest": registration.digest,
    }
    return tx.execute(_ADD, row).rowcount == 1


def first_answer(tx: Connection, registration_id: UUID) -> tuple[bytes, Admittance] | None:
    """(digest, answer) of what was recorded under an id."""
    row = tx.execute(_FIRST, {"id": registration_id}).one_or_none()
    if row is None:
        return None
    return bytes(row.digest), Admittance(Decision(row.decision), row.outcome, row.policy_version, row.recorded_at)


def keep_taken(tx: Connection, registration: Registration) -> bool:
    """Keep what a gate had decided alone, for the answer came too late; False where it had decided otherwise before."""
    given = {
        "id": registration.registration_id,
        "decision": registration.offline_decision,
        "policy_version": registration.offline_policy_version,
    }
    return tx.execute(_KEEP_TAKEN, given).rowcount == 1


def find(tx: Connection, registration_id: UUID) -> RowMapping | None:
    return tx.execute(_FIND, {"id": registration_id}).mappings().one_or_none()


def read_since(tx: Connection, since: datetime, *, at_once: int = 1000) -> Iterator[list[Registration]]:
    """Every registration that was made since a moment, in pages."""
    after = UUID(int=0)
    while page := [Registration(*row) for row in tx.execute(_PAGE, {"after": after, "since": since, "most": at_once})]:
        yield page
        after = page[-1].registration_id


def add_destination(tx: Connection, registration_id: UUID, area: str) -> None:
    """Where the person has gone on to."""
    tx.execute(
        sa.text(
            "INSERT INTO registration_destination (registration_id, area) VALUES (:registration_id, :area) "
            "ON CONFLICT DO NOTHING"
        ),
        {"registration_id": registration_id, "area": area},
    )


def destinations_of(tx: Connection, registration_id: UUID) -> list[str]:
    found = sa.text("SELECT area FROM registration_destination WHERE registration_id = :registration_id")
    return list(tx.execute(found, {"registration_id": registration_id}).scalars())
