"""No refusal of the console changes with a fact that the bearer may not read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import sqlalchemy as sa
from fastapi.testclient import TestClient

from chassis.database import Database
from services.console.areas import read_areas
from services.console.main import build_api
from tests.hidden_facts import endpoints
from tests.integration.console.test_api import ISSUING, settings

OF_NOBODY = {("GET", "/"), ("GET", "/livez"), ("GET", "/readyz"), ("GET", "/metrics")}
HIDDEN = "440103019"
_PLACE = sa.text("INSERT INTO checkpoint VALUES ('c1', 'metro', '西塱站安检点 01', :area)")
_ALARM = sa.text("INSERT INTO alarm VALUES (gen_random_uuid(), 'fever', '440103', :area, 'c1', now())")
BEARERS = [
    "Bearer nonsense",
    f"Bearer {ISSUING.token('operator', area='990103')}",
    f"Bearer {ISSUING.token('operator', area=HIDDEN, lives_s=-60)}",
]


def test_no_refusal_changes_with_what_is_hidden(migrated: Callable[[str], str], tmp_path: Path) -> None:
    """The one endpoint that knows bearers refuses by the token alone, with an alarm in the hidden area and without."""
    made = settings(migrated("console"), tmp_path)
    database = Database(made.database_url)
    app = build_api(made, database, read_areas(made.area_file), is_ending=lambda: False, vendor=tmp_path)
    with TestClient(app) as client:
        assert endpoints(client) == OF_NOBODY | {("GET", "/v1/live")}
        before = refusals(client)
        with database.transaction() as tx:
            tx.execute(_PLACE, {"area": HIDDEN})
            tx.execute(_ALARM, {"area": HIDDEN})
        assert refusals(client) == before
    database.close()
    assert [status for status, _ in before] == [401, 403, 401]


def refusals(client: TestClient) -> list[tuple[int, str]]:
    answers = [client.get("/v1/live", headers={"Authorization": each}) for each in BEARERS]
    return [(each.status_code, each.text) for each in answers]
