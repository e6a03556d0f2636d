"""Nothing that is sent to the ledger holds its event loop for long."""

from __future__ import annotations

from services.ledger.api import ledger_app
from tests.integration.chassis.test_doors import REFUSED, TOO_LARGE
from tests.integration.ledger.conftest import Ledger
from tests.loop_watch import attack, watched


def test_no_callback_takes_long_whatever_is_sent(ledger: Ledger) -> None:
    heads = [*TOO_LARGE.values(), *(raw for _, raw in REFUSED.values())]
    bearer = ledger.issuer.bearer("operator", "authority", "community", "device", "service", "citizen")
    with watched(ledger_app(ledger.settings, ledger.parts)) as (http, watch):
        attack(http, watch, bearer, heads)
