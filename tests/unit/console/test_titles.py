"""Ledgers and stages are called what the ledger's definitions call them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from services.console.domain.figures import ledger_figures
from services.console.domain.titles import DefinitionTitles, StageTitle, Titles
from services.console.domain.words import Label

NOW = datetime(2020, 3, 2, tzinfo=UTC)


def defined(
    ledger: str, version: int = 1, *, strength: int = 1, from_: datetime = NOW, **stages: str
) -> DefinitionTitles:
    titles = [StageTitle(name, Label(zh, f"{name} of {ledger}@{version}")) for name, zh in stages.items()]
    return DefinitionTitles(ledger, version, from_, strength, Label(f"{ledger}台账", f"{ledger}@{version}"), titles)


def test_two_ledgers_call_a_stage_of_one_name_by_their_own_words() -> None:
    titles = Titles([defined("close_contact", found="待管控"), defined("general_contact", found="待告知")], NOW)
    assert titles.of_stage("close_contact", "found").zh == "待管控"
    assert titles.of_stage("general_contact", "found").zh == "待告知"


def test_a_later_version_that_is_in_force_gives_the_words() -> None:
    versions = [defined("isolation", 2, seven_days="新"), defined("isolation", 1, seven_days="旧", old_days="十日")]
    titles = Titles(versions, NOW)
    assert titles.of_ledger("isolation").en == "isolation@2"
    assert titles.of_stage("isolation", "seven_days").zh == "新"
    assert titles.of_stage("isolation", "old_days").zh == "十日", "entries may still stand there"


def test_a_version_that_is_not_in_force_yet_changes_no_word() -> None:
    later = defined("isolation", 2, from_=NOW + timedelta(days=1), seven_days="明天", new_days="十四日")
    titles = Titles([defined("isolation", 1, seven_days="今天"), later], NOW)
    assert titles.of_ledger("isolation").en == "isolation@1"
    assert titles.of_stage("isolation", "seven_days").zh == "今天"
    assert titles.of_stage("isolation", "new_days").zh == "十四日"


def test_a_ledger_that_was_not_defined_here_is_named_once_and_not_twice() -> None:
    titles = Titles([], NOW)
    assert titles.of_ledger("night_shift") == Label("night shift", "")
    assert titles.of_stage("night_shift", "begun") == Label("begun", "")


def test_defined_ledgers_are_shown_the_strongest_first_empty_ones_too_then_others() -> None:
    titles = Titles([defined("isolation", strength=1), defined("confirmed", strength=4, reported="待转运")], NOW)
    found = ledger_figures(
        {("night_shift", "begun"): 2, ("confirmed", "reported"): 1, ("confirmed", "in_hospital"): 4}, titles
    )
    assert [each.ledger for each in found] == ["confirmed", "isolation", "night_shift"]
    assert found[0].entries == 5
    assert [(stage.stage, stage.label.zh) for stage in found[0].stages] == [
        ("in_hospital", "in hospital"),
        ("reported", "待转运"),
    ]
    assert (found[1].entries, found[1].stages) == (0, [])
    assert found[2].label == Label("night shift", "")
