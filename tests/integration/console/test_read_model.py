"""What events do to the figures, through a real log and a real database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import sqlalchemy as sa

from chassis.ids import uuid7
from tests.fakes.neighbours import (
    GREEN,
    LAPSED,
    RED,
    YELLOW,
    alarm_raised,
    checkpoint_registered,
    colour_changed,
    entry_closed,
    entry_moved,
    entry_opened,
    ledger_defined,
    scan,
    scan_completed,
)
from tests.integration.console.conftest import Hearing


def test_before_the_first_event_every_figure_is_zero(hearing: Hearing) -> None:
    figures = hearing.figures()
    assert figures.scans.today_total == figures.colours.total == figures.entries == figures.alarms_today == 0
    assert figures.age_s < 30


def test_scans_are_counted_by_decision(hearing: Hearing) -> None:
    recorded = datetime.now(UTC) - timedelta(seconds=20)
    hearing.neighbours.tell([scan(decision, recorded_at=recorded) for decision in ("pass", "pass", "check", "stop")])
    scans = hearing.figures().scans
    assert scans.last_minute == {"pass": 2, "check": 1, "stop": 1}
    assert sum(scans.scans_by_second) == 4
    assert sum(scans.stops_by_second) == 1


def test_a_scan_told_again_counts_once(hearing: Hearing) -> None:
    event_id, recorded = uuid7(), datetime.now(UTC) - timedelta(seconds=20)
    hearing.neighbours.tell([scan(recorded_at=recorded, event_id=event_id)])
    hearing.neighbours.tell([scan(recorded_at=recorded, event_id=event_id)])
    assert hearing.figures().scans.last_minute["pass"] == 1


def test_a_scan_whose_person_became_known_later_counts_once(hearing: Hearing) -> None:
    recorded = datetime.now(UTC) - timedelta(seconds=20)
    scans = [scan(recorded_at=recorded) for _ in range(3)]
    hearing.neighbours.tell([scans[0], scan_completed(scans[0])])
    hearing.neighbours.tell([scan_completed(scans[1]), scans[1]])
    hearing.neighbours.tell([scan_completed(scans[2])])
    hearing.neighbours.tell([scans[2]])
    assert hearing.figures().scans.last_minute["pass"] == 3
    hearing.neighbours.tell([scan(recorded_at=recorded, revision=2)])
    assert hearing.figures().scans.last_minute["pass"] == 3, "so a log of before tells a completion"


def test_a_poster_scanned_by_a_citizen_is_no_decision(hearing: Hearing) -> None:
    hearing.neighbours.tell([scan(recorded_at=datetime.now(UTC) - timedelta(seconds=20), is_self_reported=True)])
    assert sum(hearing.figures().scans.last_minute.values()) == 0


def test_a_late_upload_belongs_to_its_day(hearing: Hearing) -> None:
    now = datetime.now(UTC)
    hearing.neighbours.tell([scan(recorded_at=now, scanned_at=now - timedelta(days=3))])
    assert hearing.figures().scans.today_total == 0
    assert hearing.figures_at(now - timedelta(days=3)).scans.today_total == 1


def test_people_are_counted_in_their_last_colour(hearing: Hearing) -> None:
    first, second, third = uuid4(), uuid4(), uuid4()
    hearing.neighbours.tell(
        [
            colour_changed(first, GREEN),
            colour_changed(second, GREEN),
            colour_changed(third, YELLOW),
            colour_changed(first, RED, previous=GREEN, revision=2),
        ]
    )
    hearing.neighbours.tell([colour_changed(third, LAPSED, previous=YELLOW, revision=2)])
    colours = hearing.figures().colours
    assert colours.people == {"green": 1, "yellow": 0, "red": 1, "lapsed": 1}
    assert colours.changed == {"green": 2, "yellow": 1, "red": 1, "lapsed": 1}


def test_an_older_colour_that_comes_late_changes_nothing(hearing: Hearing) -> None:
    person = uuid4()
    hearing.neighbours.tell([colour_changed(person, RED, previous=GREEN, revision=3)])
    hearing.neighbours.tell([colour_changed(person, GREEN, revision=2)])
    assert hearing.figures().colours.people["red"] == 1


def test_the_counts_are_those_of_the_rows(hearing: Hearing) -> None:
    people = [uuid4() for _ in range(50)]
    for revision, colour in enumerate((GREEN, YELLOW, RED, GREEN), start=1):
        hearing.neighbours.tell([colour_changed(person, colour, revision=revision) for person in people[revision:]])
    counted = hearing.figures().colours.people
    with hearing.database.transaction() as tx:
        rows = tx.execute(sa.text("SELECT colour, count(*) AS people FROM person_colour GROUP BY colour"))
        assert {row.colour: row.people for row in rows} == {name: count for name, count in counted.items() if count}


def test_a_colour_without_a_change_is_not_a_change(hearing: Hearing) -> None:
    hearing.neighbours.tell([colour_changed(uuid4(), RED, previous=RED)])
    colours = hearing.figures().colours
    assert (colours.people["red"], colours.changed["red"]) == (1, 0)


def test_entries_stand_in_their_stage_until_they_are_closed(hearing: Hearing) -> None:
    case, contact, other = uuid4(), uuid4(), uuid4()
    hearing.neighbours.tell(
        [
            entry_opened(case, "confirmed", "reported"),
            entry_opened(contact, "close_contact", "found"),
            entry_opened(other, "close_contact", "found"),
            entry_moved(case, "confirmed", "in_hospital", revision=2),
            entry_closed(other, "close_contact", "refuted", revision=2),
        ]
    )
    figures = hearing.figures()
    open_entries = {
        (ledger.ledger, stage.stage): stage.entries for ledger in figures.ledgers for stage in ledger.stages
    }
    assert open_entries == {("confirmed", "in_hospital"): 1, ("close_contact", "found"): 1}
    assert figures.entries == 2


def test_ledgers_and_stages_are_called_what_the_ledger_last_called_them(hearing: Hearing) -> None:
    words = {"found": ("已排查", "found"), "under_observation": ("健康监测", "under observation")}
    hearing.neighbours.tell(
        [
            entry_opened(uuid4(), "general_contact", "found"),
            entry_opened(uuid4(), "close_contact", "found"),
            ledger_defined("close_contact", ("密切接触者台账", "Close contacts"), {"found": ("待管控", "found")}),
            ledger_defined("general_contact", ("一般接触者台账", "General contacts"), words),
            ledger_defined("general_contact", ("一般接触者台账", "General contacts"), words | {"found": ("待告知", "")},
                           revision=2),
        ]
    )  # fmt: skip
    shown = {
        each.ledger: (each.label.zh, [stage.label.zh for stage in each.stages]) for each in hearing.figures().ledgers
    }
    assert shown == {
        "close_contact": ("密切接触者台账", ["待管控"]),
        "general_contact": ("一般接触者台账", ["待告知"]),
    }


def test_an_alarm_says_what_where_and_for_whom_but_not_about_whom(hearing: Hearing) -> None:
    gate, person = uuid4(), str(uuid4())
    hearing.neighbours.tell([checkpoint_registered(gate, "西塱站安检点 01", area="440103019")])
    hearing.neighbours.tell(
        [
            alarm_raised("fever", owner="440103", area="440103019", checkpoint_id=gate, person_ref=person),
            alarm_raised(
                "person_stopped",
                owner="440103001",
                area="440103019",
                checkpoint_id=uuid4(),
                raised_at=datetime.now(UTC) - timedelta(days=2),
            ),
        ]
    )
    figures = hearing.figures()
    assert figures.alarms == [], "a place is told to those who reach it"
    newest, older = hearing.alarms_of("440103").newest
    assert (newest.kind, newest.owner, newest.checkpoint_name) == ("fever", "荔湾区", "西塱站安检点 01")
    assert newest.area_name.startswith("荔湾区 ")
    assert (older.owner, older.checkpoint_name) == ("荔湾区 沙面街道", "")
    assert figures.alarms_today == 1
    with hearing.database.transaction() as tx:
        assert person not in str(tx.execute(sa.text("SELECT * FROM alarm")).all())


def test_a_checkpoint_takes_its_new_name(hearing: Hearing) -> None:
    gate = uuid4()
    hearing.neighbours.tell(
        [
            checkpoint_registered(gate, "old"),
            checkpoint_registered(gate, "new", revision=2),
            alarm_raised("fever", owner="440103", area="440103", checkpoint_id=gate),
        ]
    )
    hearing.figures()
    assert hearing.alarms_of("4401").newest[0].checkpoint_name == "new"


def test_an_alarm_is_told_where_it_happened_and_where_its_owner_sits_and_nowhere_else(hearing: Hearing) -> None:
    hearing.neighbours.tell(
        [alarm_raised("fever", owner="440103", area="440111001", checkpoint_id=uuid4()) for _ in range(9)]
    )
    assert hearing.figures().alarms_today == 9
    counted = {
        area: hearing.alarms_of(area) for area in ("4401", "440103", "440111", "440111001", "440103001", "440104")
    }
    assert {area: alarms.today for area, alarms in counted.items()} == {
        "4401": 9,
        "440103": 9,
        "440111": 9,
        "440111001": 9,
        "440103001": 0,
        "440104": 0,
    }
    assert {len(alarms.newest) for area, alarms in counted.items() if alarms.today} == {7}


def test_a_message_that_cannot_be_read_is_put_aside_and_the_rest_goes_on(hearing: Hearing) -> None:
    person = uuid4()
    hearing.neighbours.tell([colour_changed(uuid4(), 0), colour_changed(person, RED), scan()])
    assert hearing.figures().colours.people["red"] == 1
    with hearing.database.transaction() as tx:
        assert tx.execute(sa.text("SELECT count(*) FROM dead_letter")).scalar_one() == 1
