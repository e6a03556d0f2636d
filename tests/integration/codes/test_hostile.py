"""Nothing that is sent to codes holds its event loop for long."""

from __future__ import annotations

from uuid import uuid4

from services.codes.api.desk import Desk
from services.codes.main import compose_api
from services.codes.settings import CodesSettings
from tests.integration.chassis.test_doors import REFUSED, TOO_LARGE
from tests.integration.codes.city import Issuer
from tests.loop_watch import attack, watched

ROLES = ("authority", "operator", "service", "community", "citizen", "approver")


def test_no_callback_takes_long_whatever_is_sent(settings: CodesSettings, desk: Desk, issuer: Issuer) -> None:
    heads = [*TOO_LARGE.values(), *(raw for _, raw in REFUSED.values())]
    with watched(compose_api(settings, desk)) as (http, watch):
        attack(http, watch, issuer.headers(*ROLES), heads)


def test_1000_pieces_of_evidence_are_taken_without_holding_anybody_up(
    settings: CodesSettings, desk: Desk, issuer: Issuer
) -> None:
    """As large as a body may be."""
    now = desk.clock().isoformat()
    facts = {f"fact_{number}": "x" * 12 for number in range(20)} | {"note": "y" * 120}
    document = {"type": "passport", "country": "RU"}
    evidence = [
        {
            "evidence_id": str(uuid4()),
            "kind": "test_result",
            "document": document | {"number": f"{number:08}"},
            "facts": facts,
            "observed_at": now,
            "source": "a laboratory",
        }
        for number in range(1_000)
    ]
    with watched(compose_api(settings, desk)) as (http, watch):

        def send() -> None:
            answer = http.post("/v1/evidence", json=evidence, headers=issuer.headers("authority"))
            assert (answer.status_code, answer.json()["accepted"]) == (202, 1_000)

        watch.require_turns(send)
