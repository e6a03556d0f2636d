"""A gate's clock may be off: online the server's time decides; one that is far off dates nothing and is alarmed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.integration.checkpoints.test_second_looks import told
from tests.integration.checkpoints.town import GREEN, LET_IN, RED, ago, scan, wait_for


def ruled(answer):
    return answer["decision"], answer["refusal"]


@pytest.mark.parametrize("off_s", [-119, -61, -10, 0, 10, 61, 119])
@pytest.mark.parametrize("age_s", [0, 50])
def test_a_gate_whose_clock_is_a_little_off_refuses_no_fresh_pass(register, send, codes, person, off_s, age_s):
    _, idx = person(GREEN)
    answer = send(register(), codes.mint(idx, at=ago(seconds=age_s)), at=ago(seconds=-off_s), offline=None)
    assert ruled(answer) == ("pass", None)


@pytest.mark.parametrize(("off_s", "age_s"), [(-70, 125), (-119, 66), (-10, 66), (0, 61), (61, 61), (119, 61)])
def test_no_clock_makes_a_screenshot_fresh_again(register, send, codes, person, off_s, age_s):
    _, idx = person(GREEN)
    answer = send(register(), codes.mint(idx, at=ago(seconds=age_s)), at=ago(seconds=-off_s), offline=None)
    assert ruled(answer) == ("check", "pass_expired")


def test_a_batch_and_a_vehicle_are_of_now_too(register, client, gate, codes, person):
    place, (_, idx) = register(kind="road"), person(GREEN)
    at = datetime.now(UTC) - timedelta(seconds=100)
    stale, fresh = codes.mint(idx, at=at), codes.mint(idx)
    credentials = [{"pass": stale}, {"pass": fresh}]
    batch = {"scans": [scan(place, at=at, credential=each, offline=None) for each in credentials]}
    results = client.post("/v1/scans/batch", json=batch, headers=gate(place)).json()["results"]
    assert [ruled(each) for each in results] == [("check", "pass_expired"), ("pass", None)]
    people = [{"scan_id": scan(place, at=at)["scan_id"], "credential": {"pass": stale}}]
    vehicle = scan(place, at=at, credential={"plate": "粤A12345"}, people=people, offline=None)
    assert ruled(client.post("/v1/scans", json=vehicle, headers=gate(place)).json()) == ("check", "pass_expired")


FAR_OFF = (-6 * 86_400, -3600, -125, 125, 600, 8 * 3600)


@pytest.mark.parametrize("off_s", FAR_OFF)
def test_a_clock_that_is_far_off_is_checked_and_told_in_words(register, send, codes, person, sql, off_s):
    _, idx = person(GREEN)
    said_at, before = ago(seconds=-off_s), datetime.now(UTC)
    answer = send(register(), codes.mint(idx), at=said_at, offline=None)
    assert (*ruled(answer), answer["colour"]) == ("check", "clock_off", "green")
    assert "时钟" in answer["say"]["zh"]
    assert "clock" in answer["say"]["en"]
    [(scanned_at, gate_said_at, refusal)] = sql("SELECT scanned_at, gate_said_at, refusal FROM scan")
    assert before <= scanned_at <= datetime.now(UTC)
    assert (gate_said_at, refusal) == (said_at, "clock_off")


def test_whom_a_gate_must_stop_it_stops_whatever_its_clock_says(register, send, codes, person):
    _, idx = person(RED)
    assert ruled(send(register(), codes.mint(idx), at=ago(hours=1), offline=None)) == ("stop", None)


def test_with_a_clock_that_is_off_nothing_is_used_up(register, send, codes, person):
    place, (_, idx) = register(), person(GREEN)
    shown = codes.mint(idx)
    assert ruled(send(place, shown, at=ago(hours=1), offline=None)) == ("check", "clock_off")
    assert ruled(send(place, shown)) == ("pass", None)


@pytest.mark.parametrize("off", [timedelta(hours=-8), timedelta(hours=8), timedelta(days=-3)])
def test_a_scan_that_the_server_dated_is_found_at_that_time(
    register, send, codes, person, client, issuer, running, sql, off
):
    place, (person_ref, idx) = register(), person(GREEN)
    wait_for(lambda: sql("SELECT count(*) FROM holder") == [(1,)])
    sent = send(place, codes.mint(idx), at=datetime.now(UTC) + off, offline=None)
    span = {"from": ago(minutes=1).isoformat(), "to": (datetime.now(UTC) + timedelta(seconds=1)).isoformat()}
    for path in (f"/v1/checkpoints/{place}/scans", f"/v1/people/{person_ref}/scans"):
        found = wait_for(
            lambda path=path: client.get(path, params=span, headers=issuer.headers("authority")).json()["scans"]
        )
        assert [each["scan_id"] for each in found] == [sent["scan_id"]]
        assert found[0]["gate_said_at"] is not None
        then = {"from": (ago() + off - timedelta(hours=1)).isoformat(), "to": (ago() + off).isoformat()}
        assert client.get(path, params=then, headers=issuer.headers("authority")).json()["scans"] == []


def test_a_repeat_of_a_scan_that_the_server_dated_has_the_first_answer(register, client, gate, codes, person):
    place, (_, idx) = register(), person(GREEN)
    body = scan(place, at=ago(hours=2), credential={"pass": codes.mint(idx)}, offline=None)
    first, again = (client.post("/v1/scans", json=body, headers=gate(place)).json() for _ in range(2))
    assert first == again
    other = client.post("/v1/scans", json=body | {"direction": "in"}, headers=gate(place))
    assert other.status_code == 409


def test_late_uploads_keep_the_time_of_their_gate_and_alarm_nobody(
    register, send, codes, person, running, event_log, sql
):
    place, (_, idx) = register(), person(GREEN)
    at = ago(hours=3)
    assert ruled(send(place, codes.mint(idx, at=at), at=at, offline=LET_IN)) == ("pass", None)
    assert sql("SELECT scanned_at, gate_said_at FROM scan") == [(at, None)]
    wait_for(lambda: sql("SELECT 1 FROM scan_tally"))
    assert told(event_log, "GateClockOff") == []


def test_a_gate_whose_clock_is_off_is_told_once_and_not_once_a_scan(
    register, send, codes, person, running, event_log, sql
):
    place, other, (_, idx) = str(register()), str(register()), person(GREEN)
    for seconds in (3600, 3601, 3602):
        send(place, codes.mint(idx), at=ago(seconds=seconds), offline=None)
    wait_for(lambda: sql("SELECT sum(scans) FROM scan_tally") == [(3,)])
    [(headers, event)] = wait_for(lambda: told(event_log, "GateClockOff"))
    assert (headers["ce_subject"], headers["ce_district"]) == (f"clock/{place}", "440103")
    assert event.checkpoint_id == place
    assert -3605 < event.off_s < -3595
    send(other, codes.mint(idx), at=ago(seconds=-600), offline=None)
    wait_for(lambda: {each.checkpoint_id for _, each in told(event_log, "GateClockOff")} == {place, other})
    assert sql("SELECT scans FROM clock_trouble ORDER BY scans") == [(1,), (3,)]
    sql("UPDATE clock_trouble SET last_at = last_at - interval '61 minutes', since = since - interval '61 minutes'")
    send(place, codes.mint(idx), at=ago(seconds=3600), offline=None)
    wait_for(lambda: len(told(event_log, "GateClockOff")) == 3)
    revisions = [
        headers["ce_revision"] for headers, each in told(event_log, "GateClockOff") if each.checkpoint_id == place
    ]
    assert revisions == ["1", "2"]


def test_who_was_at_a_gate_whose_clock_is_off_is_traced(register, send, codes, person, running, sql, client, issuer):
    """The case passed an hour off, the contact eight hours off in the other direction; both were there just now."""
    place, (case, case_idx), (contact, contact_idx) = register(), person(GREEN), person(GREEN)
    wait_for(lambda: sql("SELECT count(*) FROM holder") == [(2,)])
    send(place, codes.mint(case_idx), at=ago(hours=1), offline=None)
    send(place, codes.mint(contact_idx), at=ago(hours=-8), offline=None)
    body = {"person_ref": str(case), "from": ago(days=1).isoformat(), "to": ago(hours=-1).isoformat()}
    trace = client.post("/v1/traces", json=body, headers=issuer.headers("authority")).json()["trace_id"]
    found = wait_for(lambda: sql("SELECT person_ref FROM trace_contact WHERE trace_id = %s", trace))
    assert found == [(contact,)]
