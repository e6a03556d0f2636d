"""A shown pass lets somebody in once: whoever comes with a copy is checked, at every gate and in every process."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from chassis.ids import uuid7
from services.checkpoints import messages
from tests.integration.checkpoints.test_second_looks import told
from tests.integration.checkpoints.test_worker import read_events
from tests.integration.checkpoints.town import GREEN, LET_IN, RED, ago, scan, wait_for
from wire.checkpoints.v1 import events_pb2 as wire


def ruled(answer):
    return answer["decision"], answer["refusal"]


USED = ("check", "pass_reused")


@pytest.fixture
def known(person, running, sql):
    """Somebody green whom the table of holders knows: (person_ref, idx)."""

    def somebody(colour=GREEN):
        before = sql("SELECT count(*) FROM holder")[0][0]
        found = person(colour)
        wait_for(lambda: sql("SELECT count(*) FROM holder")[0][0] > before)
        return found

    return somebody


@pytest.fixture
def gate_and_next(register):
    """Two entrances that everybody reaches within a moment."""
    return register(), register()


def test_a_pass_that_let_somebody_in_is_used_up_at_every_gate(gate_and_next, send, codes, known, event_log):
    here, there = gate_and_next
    person_ref, idx = known()
    shown = codes.mint(idx)
    first = send(here, shown, at=ago(seconds=5))
    assert ruled(first) == ("pass", None)
    second, third = send(there, shown), send(here, shown)
    assert ruled(second) == ruled(third) == USED
    assert (second["colour"], third["say"]["en"].split(".")[0]) == ("green", "This pass has been used already")
    events = wait_for(lambda: len(found := told(event_log, "PassReused")) == 2 and found)
    pairs = {(event.scan_id, event.other_scan_id, event.person_ref) for _, event in events}
    assert pairs == {(each["scan_id"], first["scan_id"], str(person_ref)) for each in (second, third)}
    recorded = wait_for(lambda: len(found := scans_told(event_log)) == 3 and found)
    assert {(each.scan_id, each.decision, each.refusal) for each in recorded} == {
        (first["scan_id"], "pass", ""),
        (second["scan_id"], *USED),
        (third["scan_id"], *USED),
    }


def scans_told(event_log):
    return [wire.ScanRecorded.FromString(each[3]) for each in read_events(event_log, messages.SCANS_TOPIC)]


def test_a_fresh_pass_of_the_same_person_is_another_one(gate_and_next, send, codes, known):
    here, there = gate_and_next
    _, idx = known()
    for place, seconds in ((here, 30), (there, 20), (here, 10)):
        assert ruled(send(place, codes.mint(idx, at=ago(seconds=seconds)))) == ("pass", None)


def test_in_and_out_are_two_uses_and_a_gate_that_tells_no_direction_lets_in(gate_and_next, send, codes, known):
    here, there = gate_and_next
    shown = codes.mint(known()[1])
    assert ruled(send(here, shown, direction="in")) == ("pass", None)
    assert ruled(send(there, shown, direction="out")) == ("pass", None)
    assert ruled(send(there, shown, direction="in")) == USED
    assert ruled(send(there, shown)) == USED
    assert ruled(send(here, shown, direction="out")) == USED


def test_a_gate_that_reads_twice_within_three_seconds_lets_one_person_in(
    register,
    send,
    codes,
    known,
    event_log,
    sql,
    client,
    issuer,
):
    place, (person_ref, idx) = register(), known()
    shown, at = codes.mint(idx), ago(seconds=10)
    answers = [send(place, shown, at=at + timedelta(seconds=s), direction="in") for s in (0, 2.9, 3.1)]
    assert [ruled(each) for each in answers] == [("pass", None), ("pass", None), USED]
    repeats = sql("SELECT repeat_of::text FROM scan ORDER BY scanned_at")
    assert repeats == [(None,), (answers[0]["scan_id"],), (None,)]
    recorded = wait_for(lambda: len(found := scans_told(event_log)) == 3 and found)
    assert {each.scan_id: each.repeat_of for each in recorded}[answers[1]["scan_id"]] == answers[0]["scan_id"]
    counted = wait_for(lambda: len(found := sql("SELECT decision, scans FROM scan_tally ORDER BY 1")) == 2 and found)
    assert counted == [("check", 1), ("pass", 1)]
    pulse = sql("SELECT decision, sum(scans)::int FROM scan_pulse GROUP BY 1 ORDER BY 1")
    assert pulse == [("check", 1), ("pass", 1)]
    history = client.get(f"/v1/people/{person_ref}/scans", headers=issuer.headers("authority")).json()["scans"]
    assert [each["repeat_of"] for each in history] == [None, answers[0]["scan_id"], None]


def test_a_second_try_after_a_check_is_honest(register, send, codes, known):
    place, shown = register(), codes.mint(known()[1])
    assert ruled(send(place, shown, temperature_c=37.5))[1] == "fever"
    assert ruled(send(place, shown, mask=False))[1] == "no_mask"
    assert ruled(send(place, shown)) == ("pass", None)


def test_a_fever_within_three_seconds_is_no_repeat(register, send, codes, known):
    place, shown = register(), codes.mint(known()[1])
    assert ruled(send(place, shown)) == ("pass", None)
    assert ruled(send(place, shown, temperature_c=38.5)) == ("stop", "fever")


@pytest.mark.parametrize("hot", [{"temperature_c": 40}, {"mask": False}])
def test_after_a_stricter_decision_nothing_repeats_the_first_one(register, send, codes, known, sql, hot):
    place, shown, at = register(), codes.mint(known()[1]), ago(seconds=10)

    def read(seconds, **more):
        return send(place, shown, at=at + timedelta(seconds=seconds), **more)

    first = read(0)
    assert ruled(first) == ruled(read(0.5)) == ("pass", None)
    assert ruled(read(1, **hot))[0] != "pass"
    assert ruled(read(1.5)) == ruled(read(2)) == USED
    assert ruled(read(0.9)) == ("pass", None), "read before, told later"
    repeats = sql("SELECT repeat_of::text FROM scan ORDER BY scanned_at")
    assert repeats == [(None,), (first["scan_id"],), (first["scan_id"],), (None,), (None,), (None,)]


def test_in_one_batch_a_stop_ends_the_repeats_too(register, client, gate, codes, known):
    place, shown, at = register(), codes.mint(known()[1]), ago(seconds=10)
    more = ({}, {}, {"temperature_c": 40}, {})
    scans = [
        scan(place, at=at + timedelta(seconds=n / 2), credential={"pass": shown}) | each for n, each in enumerate(more)
    ]
    answer = client.post("/v1/scans/batch", json={"scans": scans}, headers=gate(place)).json()
    assert [ruled(each) for each in answer["results"]] == [("pass", None), ("pass", None), ("stop", "fever"), USED]


def test_a_stop_uses_nothing_up_nor_does_one_at_another_gate_end_a_repeat(gate_and_next, send, codes, known, sql):
    here, there = gate_and_next
    shown, at = codes.mint(known()[1]), ago(seconds=10)

    def read(place, seconds, **more):
        return ruled(send(place, shown, at=at + timedelta(seconds=seconds), **more))

    assert read(here, 0, temperature_c=40) == ("stop", "fever")
    assert sql("SELECT count(*) FROM used_pass") == [(0,)]
    assert read(here, 0.5) == ("pass", None)
    assert read(there, 1, temperature_c=40) == ("stop", "fever")
    assert read(here, 1.5) == ("pass", None), "a repeat"


def test_the_same_scan_again_has_the_first_answer_whatever_has_been_used_since(
    gate_and_next, client, gate, codes, known
):
    here, there = gate_and_next
    shown = codes.mint(known()[1])
    bodies = [scan(here, at=ago(seconds=4), credential={"pass": shown}), scan(there, credential={"pass": shown})]
    headers = gate(here, there)
    first = [client.post("/v1/scans", json=body, headers=headers).json() for body in bodies]
    assert [ruled(each) for each in first] == [("pass", None), USED]
    again = [client.post("/v1/scans", json=body, headers=headers).json() for body in reversed(bodies)]
    assert again == list(reversed(first))


def test_a_printed_pass_is_never_used_up(gate_and_next, send, codes, known):
    here, there = gate_and_next
    printed = codes.mint(known()[1], key=codes.printed)
    for place in (here, there, here):
        assert ruled(send(place, printed)) == ("pass", None)


def test_a_batch_uses_a_pass_up_once(gate_and_next, client, gate, codes, known, sql):
    """At one gate the concentrator has read it twice; the other gate saw a copy."""
    here, there = gate_and_next
    shown, at = codes.mint(known()[1]), ago(seconds=2)
    places = [here, here, there, there]
    scans = [
        scan(place, at=at + timedelta(milliseconds=n), credential={"pass": shown}) for n, place in enumerate(places)
    ]
    answer = client.post("/v1/scans/batch", json={"scans": scans}, headers=gate(here, there))
    assert [ruled(each) for each in answer.json()["results"]] == [("pass", None), ("pass", None), USED, USED]
    assert sql("SELECT count(*) FROM scan WHERE repeat_of IS NOT NULL") == [(1,)]


def test_many_copies_at_once_let_one_person_in(register, client, gate, codes, known):
    places, shown = [register() for _ in range(8)], codes.mint(known()[1])
    headers = gate(*places)
    with ThreadPoolExecutor(8) as pool:
        answers = pool.map(
            lambda place: client.post(
                "/v1/scans", json=scan(place, credential={"pass": shown}), headers=headers
            ).json(),
            places,
        )
    assert sorted(map(ruled, answers)) == [*[USED] * 7, ("pass", None)]


# -- in a vehicle ------------------------------------------------------------------------------------------------------


def vehicle(place, passes):
    people = [{"scan_id": str(uuid7()), "credential": {"pass": each}} for each in passes]
    return scan(place, credential={"plate": "粤A12345"}, people=people)


def test_those_in_a_vehicle_that_is_turned_away_have_used_nothing(register, client, gate, codes, known):
    place = register(kind="road")
    green, red = codes.mint(known()[1]), codes.mint(known(RED)[1])
    headers = gate(place)
    body = vehicle(place, [green, red])
    turned_away = client.post("/v1/scans", json=body, headers=headers).json()
    assert (turned_away["decision"], turned_away["people"][0]["decision"]) == ("stop", "pass")
    alone = vehicle(place, [green])
    assert client.post("/v1/scans", json=alone, headers=headers).json()["decision"] == "pass"
    assert client.post("/v1/scans", json=body, headers=headers).json() == turned_away


@pytest.mark.parametrize("kind", ["shown", "printed"])
def test_two_in_one_vehicle_do_not_show_one_pass(register, client, gate, codes, known, kind):
    place, key = register(kind="road"), codes.shown if kind == "shown" else codes.printed
    mine, another = codes.mint(known()[1], key=key), codes.mint(known()[1], key=key)
    headers = gate(place)
    body = vehicle(place, [mine, mine, another])
    held = client.post("/v1/scans", json=body, headers=headers).json()
    assert (ruled(held), [ruled(each) for each in held["people"]]) == (USED, [("pass", None), USED, ("pass", None)])
    driver = vehicle(place, [mine])
    driver["credential"]["pass"] = mine
    assert ruled(client.post("/v1/scans", json=driver, headers=headers).json()) == USED
    assert client.post("/v1/scans", json=vehicle(place, [mine, another]), headers=headers).json()["decision"] == "pass"


def test_a_copy_in_a_vehicle_holds_it_and_the_others_may_go_on_without_it(register, client, gate, codes, known, sql):
    road, mall = register(kind="road"), register()
    mine, copied = codes.mint(known()[1]), codes.mint(known()[1])
    headers = gate(road, mall)
    assert (
        client.post("/v1/scans", json=scan(mall, credential={"pass": copied}), headers=headers).json()["decision"]
        == "pass"
    )
    body = vehicle(road, [mine, copied])
    held = client.post("/v1/scans", json=body, headers=headers).json()
    assert (ruled(held), [ruled(each) for each in held["people"]]) == (USED, [("pass", None), USED])
    assert client.post("/v1/scans", json=body, headers=headers).json() == held
    assert client.post("/v1/scans", json=vehicle(road, [mine]), headers=headers).json()["decision"] == "pass"
    assert sql("SELECT count(*) FROM used_pass") == [(2,)]


# -- without a network -------------------------------------------------------------------------------------------------


def test_what_a_gate_let_in_alone_stands_and_is_told_as_a_reuse(gate_and_next, send, codes, known, event_log):
    here, there = gate_and_next
    shown = codes.mint(known()[1], at=ago(seconds=40))
    online = send(here, shown, at=ago(seconds=30))
    late = send(there, shown, at=ago(seconds=25), offline=LET_IN)
    assert ruled(online) == ruled(late) == ("pass", None)
    [(_, event)] = wait_for(lambda: told(event_log, "PassReused"))
    assert (event.scan_id, event.other_scan_id) == (late["scan_id"], online["scan_id"])


def test_what_a_gate_let_in_alone_days_ago_is_told_as_a_reuse(gate_and_next, send, codes, known, event_log):
    here, there = gate_and_next
    _, idx = known()
    for seconds in (40, 30):  # what is of now, so that memory has nothing of then
        send(here, codes.mint(idx, at=ago(seconds=seconds)))
    then = ago(days=3)
    shown = codes.mint(idx, at=then)
    first, second = (send(place, shown, at=then + timedelta(seconds=10)) for place in (here, there))
    assert ruled(first) == ruled(second) == ("pass", None)
    [(_, event)] = wait_for(lambda: told(event_log, "PassReused"))
    assert (event.scan_id, event.other_scan_id) == (second["scan_id"], first["scan_id"])


def test_a_pass_that_a_gate_let_in_alone_is_used_up_once_that_is_known(gate_and_next, send, codes, known):
    here, there = gate_and_next
    shown = codes.mint(known()[1], at=ago(seconds=40))
    send(here, shown, at=ago(seconds=30), offline=LET_IN)
    assert ruled(send(there, shown)) == USED


def test_a_gate_that_has_found_a_reuse_by_itself_is_believed(register, send, codes, known, event_log):
    shown = codes.mint(known()[1], at=ago(seconds=40))
    taken = LET_IN | {"decision": "check", "refusal": "pass_reused"}
    assert ruled(send(register(), shown, at=ago(seconds=30), offline=taken)) == USED
    wait_for(lambda: scans_told(event_log))
    assert told(event_log, "OfflineDecisionDiffered") == []
