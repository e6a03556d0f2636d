"""Register people in place: once, sealed, durable before the guard is answered, and told to where they go."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection

from city.documents import Document
from services.checkpoints.domain.errors import RegistrationIdReused
from services.checkpoints.domain.events import ArrivalRegistered
from services.checkpoints.domain.keeping import TOLD_LATE
from services.checkpoints.domain.life import holding
from services.checkpoints.domain.policy import KindPolicy
from services.checkpoints.domain.registrations import Admittance, Registration, admit
from services.checkpoints.domain.scans import Checkpoint
from services.checkpoints.sealing import Sealer
from services.checkpoints.store import lives, registrations
from services.checkpoints.store.registrations import SealedIdentity
from services.checkpoints.trace import Tell


def tell_arrivals_again(tx: Connection, tell: Tell, now: datetime) -> int:
    """Tell the registrations of the last days once more, for whoever lost a part of the log; how many.

    Of older ones the log may not tell any more.
    """
    told = 0
    for page in registrations.read_since(tx, now - TOLD_LATE):
        places = {each.checkpoint_id for each in page}
        timelines = {versions[0].checkpoint_id: versions for versions in lives.timelines(tx, places)}
        tell(tx, [ArrivalRegistered(each, holding(timelines[each.checkpoint_id], each.registered_at)) for each in page])
        told += len(page)
    return told


class Registering:
    def __init__(self, sealer: Sealer, tell: Tell) -> None:
        self._sealer, self._tell = sealer, tell

    def register(
        self,
        tx: Connection,
        registration: Registration,
        *,
        document: Document,
        name: str | None,
        phone: str,
        policy: KindPolicy,
        checkpoint: Checkpoint,
        by: str,
        now: datetime,
    ) -> Admittance:
        """The answer; of a repeat the first one, whatever is done here now.

        Raises `RegistrationNotDoneHere`, `RegistrationIdReused`.
        """
        recorded = registrations.first_answer(tx, registration.registration_id)
        if recorded is None:
            admittance = admit(policy, checkpoint, registration, now)
            identity = self._sealed(registration, document, name, phone)
            if registrations.add(tx, registration, identity, admittance, by=by):
                self._tell(tx, [ArrivalRegistered(registration, checkpoint)])
                return admittance
            recorded = registrations.first_answer(tx, registration.registration_id)
            assert recorded is not None
        digest, first = recorded
        if digest == registration.digest_online and registrations.keep_taken(tx, registration):
            return first
        if digest != registration.digest:
            raise RegistrationIdReused()
        return first

    def _sealed(self, registration: Registration, document: Document, name: str | None, phone: str) -> SealedIdentity:
        def seal(text: str, column: str) -> bytes:
            return self._sealer.seal(text, owner=registration.person_ref, column=column)

        return SealedIdentity(
            document_type=document.type,
            country=document.country,
            number=seal(document.number, "number"),
            name=None if name is None else seal(name, "name"),
            phone=seal(phone, "phone"),
        )
