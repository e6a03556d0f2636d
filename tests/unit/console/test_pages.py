"""The overview page, without a server."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from services.console.domain.figures import Alarm, Figures, Snapshot, colour_figures, ledger_figures, scan_figures
from services.console.domain.processes import away
from services.console.domain.titles import DefinitionTitles, StageTitle, Titles
from services.console.domain.words import Label
from services.console.pages import formats
from services.console.pages.overview import Overview

GUANGZHOU = ZoneInfo("Asia/Shanghai")
NOW = datetime(2020, 3, 2, 0, 12, 31, tzinfo=UTC)
STATIC = Path("services/console/static")
IN_HOSPITAL = StageTitle("in_hospital", Label("隔离治疗", "in hospital"))
TITLES = Titles([DefinitionTitles("confirmed", 1, NOW, 4, Label("确诊病例", "Confirmed cases"), [IN_HOSPITAL])], NOW)


def snapshot() -> Snapshot:
    alarm = Alarm("a1", "fever", Label("发热", "Fever"), "<b>owner</b>", "440103", "荔湾区", "西塱站安检点 01", NOW)
    figures = Figures(
        known_until=NOW,
        age_s=0.4,
        scans=scan_figures({}, {"pass": 1_234_567}, NOW),
        colours=colour_figures({"green": 9990, "red": 10}, {"red": 3}),
        entries=2,
        ledgers=ledger_figures({("confirmed", "in_hospital"): 2, ("night_shift", "begun"): 1}, TITLES),
        alarms_today=1,
        alarms=[alarm],
    )
    return Snapshot(NOW, figures, [away("codes-worker")])


def rendered(picture: Snapshot | None, vendor: Path = Path("/nowhere")) -> str:
    return Overview(GUANGZHOU, city=("广州市", "Guangzhou"), vendor=vendor).render(picture)


def test_the_page_shows_the_figures_without_any_script() -> None:
    page = rendered(snapshot())
    for shown in (
        "1,234,567",
        "0.10 %",
        "西塱站安检点 01",
        "08:12:31",
        "隔离治疗 in hospital 2",
        "codes-worker",
        "失联",
    ):
        assert shown in page


def test_what_has_one_name_for_both_languages_is_named_once() -> None:
    page = rendered(snapshot())
    assert page.count("night shift") == 1
    assert ">begun 1<" in page


def test_the_page_is_whole_before_the_first_picture_and_without_figures() -> None:
    assert "</html>" in rendered(None)
    assert "codes-worker" in rendered(replace(snapshot(), figures=None))


def test_what_an_event_says_is_text_and_never_markup() -> None:
    assert "<b>owner</b>" not in rendered(snapshot())


def test_nothing_on_the_page_needs_a_looser_policy() -> None:
    page = rendered(snapshot())
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=|https?://", page)


def test_without_the_chart_library_the_page_says_how_to_get_it(tmp_path: Path) -> None:
    assert "make setup" in rendered(None)
    (tmp_path / "uplot").mkdir()
    (tmp_path / "uplot" / "uPlot.esm.js").touch()
    assert "make setup" not in rendered(None, vendor=tmp_path)


def test_every_format_of_the_page_is_written_by_the_script_too() -> None:
    script = (STATIC / "slots.js").read_text()
    for name in formats.formats(GUANGZHOU):
        assert re.search(rf"^  {name}[:,]", script, re.MULTILINE), name


@pytest.mark.parametrize(
    ("write", "value", "text"),
    [
        (formats.rate, 12.44, "12.4"),
        (formats.rate, 3430.2, "3,430"),
        (formats.share, 0.17, "0.17 %"),
        (formats.share, 95.61, "95.6 %"),
        (formats.changes, 0, "–"),
        (formats.changes, 1200, "1,200"),
        (formats.lag, {}, "–"),
        (formats.lag, {"codes.events.v1": 0}, "0"),
        (formats.lag, {"codes.events.v1": 0, "ledger.events.v1": 3}, "ledger.events 3"),
    ],
)
def test_figures_are_written_so_that_they_are_read_at_a_glance(write: object, value: object, text: str) -> None:
    assert write(value) == text  # type: ignore[operator]
