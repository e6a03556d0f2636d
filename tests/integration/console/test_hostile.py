"""No head that is sent to the console holds its event loop for long."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from chassis.database import Database
from services.console.areas import read_areas
from services.console.main import build_api
from tests.integration.chassis.test_doors import REFUSED, TOO_LARGE
from tests.integration.console.test_api import settings
from tests.loop_watch import attack, watched


def test_no_callback_takes_long_whatever_is_sent(migrated: Callable[[str], str], tmp_path: Path) -> None:
    made = settings(migrated("console"), tmp_path)
    database = Database(made.database_url)
    app = build_api(made, database, read_areas(made.area_file), is_ending=lambda: False, vendor=tmp_path)
    with watched(app) as (http, watch):
        attack(http, watch, {}, [*TOO_LARGE.values(), *(raw for _, raw in REFUSED.values())])
        assert http.get("/").status_code == 200
    database.close()
