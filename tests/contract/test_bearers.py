"""Every service reads a bearer alike: an area that is no node, or a sub that cannot be shown, opens nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest

from tests.contract.test_one_trace import Town, town

__all__ = ["town"]

Ask = Callable[[Town, dict[str, str]], Any]

ASKED: dict[str, tuple[str, Ask]] = {
    "codes": ("authority", lambda to, who: to.city.client.get(f"/v1/people/{uuid4()}/code", headers=who)),
    "codes, in front of the framework": (
        "operator",
        lambda to, who: to.city.client.post(f"/v1/people/{uuid4()}/passes", json={"kind": "shown"}, headers=who),
    ),
    "checkpoints": ("authority", lambda to, who: to.checkpoints.get("/v1/checkpoints", headers=who)),
    "checkpoints, scans": ("gate", lambda to, who: to.checkpoints.post("/v1/scans", json={}, headers=who)),
    "checkpoints, batches": ("gate", lambda to, who: to.checkpoints.post("/v1/scans/batch", json={}, headers=who)),
    "ledger": ("authority", lambda to, who: to.ledger.get("/v1/entries", headers=who)),
}


def test_every_service_refuses_what_no_bearer_may_be(town: Town) -> None:
    issuer = town.issuer
    for name, (role, ask) in ASKED.items():
        for area in ("44", "4401999", "44010300", "9999"):
            answer = ask(town, issuer.headers(role, area=area))
            assert (answer.status_code, answer.json()["code"]) == (403, "area_claim_unknown"), (name, area)
        for area in ("4401", "440103", "440103001"):
            answer = ask(town, issuer.headers(role, area=area))
            assert answer.json().get("code") not in ("area_claim_unknown", "unauthenticated"), (name, area)


@pytest.mark.parametrize("subject", ["a\nb", "x" * 201, "\u202eadmin", " admin", "admin\u3164", "\uff41dmin"])
def test_every_service_refuses_a_sub_that_cannot_be_shown(town: Town, subject: str) -> None:
    for name, (role, ask) in ASKED.items():
        answer = ask(town, town.issuer.headers(role, sub=subject))
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated"), name
