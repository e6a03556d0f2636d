"""A city whose policies and lists are signed, and the bundles that it gives to a gate."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from services.checkpoints.bundles import HeldLists, bundle_of
from services.checkpoints.codes_client import StatusList
from services.checkpoints.domain.scans import Checkpoint
from services.checkpoints.signed import POLICY, public_keys
from services.checkpoints.signed_policies import read_signed_policy
from tests.integration.checkpoints.town import GREEN, SHIPPED_POLICY, STATUS_LIST_URI, FakeCodes, PolicyOffice
from tests.unit.guanka.post import NOW, PLACE, SIGNER


def with_signer(jwks: Mapping[str, Any]) -> dict[str, Any]:
    """The keys of policies with the one that signs the city's bundles."""
    return {"keys": [*jwks["keys"], SIGNER.public_jwk()]}


LIFE = timedelta(days=7)
"""Of a list that codes signs."""


def policy(version: str = "default@1", *, stale_s: int = 1800, expires_s: int = 86_400) -> dict[str, Any]:
    return SHIPPED_POLICY | {"policy": version, "offline": {"stale_s": stale_s, "expires_s": expires_s}}


class CityHall:
    def __init__(self) -> None:
        self.codes, self.office = FakeCodes(64), PolicyOffice()
        _, self.green = self.codes.enrol(GREEN)

    def bundle(
        self,
        made_at: datetime = NOW,
        *,
        kind: str = "metro",
        policies: Mapping[timedelta, dict[str, Any]] | None = None,
        listed_at: datetime | None = None,
        checkpoint: str = PLACE,
        epoch: int = 0,
        list_epoch: int = 0,
    ) -> dict[str, Any]:
        """As it is served at a moment; `policies` by how long after that each takes effect, the first before it."""
        office = self.office
        given = policies or {timedelta(days=-30): policy()}
        signed = [
            read_signed_policy(
                office.sign(document, effective_from=made_at + after), public_keys(office.jwks(), POLICY)
            )
            for after, document in given.items()
        ]
        listed_s = int((listed_at or made_at).timestamp())
        revision = self.codes.revision[1]
        claims = {"iat": listed_s, "exp": listed_s + int(LIFE.total_seconds()), "revision": revision}
        token = self.codes.signed_list(1, **claims, epoch=list_epoch)
        bundle = bundle_of(
            versions=(Checkpoint(UUID(checkpoint), kind, "A gate", "", "440103001", ""),),
            policy=signed[0],
            upcoming=signed[1:],
            jwks=self.codes.jwks(),
            policy_jwks=with_signer(office.jwks()),
            held=HeldLists({1: StatusList('"1"', revision, token)}, made_at - timedelta(minutes=1)),
            known_tags=frozenset(),
            status_list_uri=STATUS_LIST_URI,
            now=made_at,
            epoch=epoch,
        )
        return dict(json.loads(json.dumps(bundle)))

    def pass_at(self, moment: datetime) -> str:
        """Of somebody green, good at that moment."""
        return self.codes.mint(self.green, at=moment - timedelta(seconds=5))
