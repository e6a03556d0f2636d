"""What gates and the worker make of a pass at two places at once, and of decisions taken without a network."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

from chassis.ids import uuid7
from services.checkpoints import messages
from tests.integration.checkpoints.test_worker import read_events
from tests.integration.checkpoints.town import GREEN, RED, YELLOW, ago, scan, wait_for
from wire.checkpoints.v1 import events_pb2 as wire


def told(event_log, name):
    kind = getattr(wire, name)
    events = [each for each in read_events(event_log, messages.EVENTS_TOPIC) if each[0] == name]
    return [(each[2], kind.FromString(each[3])) for each in events]


def test_a_pass_at_two_gates_out_of_reach_is_refused_by_policy_and_told(
    gates, send, codes, person, running, event_log, sql
):
    near, far = gates
    person_ref, idx = person(GREEN)
    wait_for(lambda: sql("SELECT count(*) FROM holder") == [(1,)])
    first = send(near, codes.mint(idx))
    second = send(far, codes.mint(idx))
    assert (first["decision"], first["refusal"]) == ("pass", None)
    assert (second["decision"], second["refusal"], second["colour"]) == ("check", "pass_reused", "green")
    [(headers, event)] = wait_for(lambda: told(event_log, "PassReused"))
    assert headers["ce_subject"] == f"reuse/{second['scan_id']}/{first['scan_id']}"
    assert (event.scan_id, event.other_scan_id) == (second["scan_id"], first["scan_id"])
    assert (event.checkpoint_id, event.other_checkpoint_id, event.person_ref) == (far, near, str(person_ref))
    assert event.apart_s < 30
    assert not event.HasField("distance_m")
    assert sql("SELECT refusal FROM scan WHERE scan_id = %s", second["scan_id"]) == [("pass_reused",)]


def test_a_copy_is_not_believed_at_its_second_try_and_its_holder_is_not_held_for_it(gates, send, codes, person):
    near, far = gates
    for key in (codes.printed, None):
        _, idx = person(GREEN)

        def shown(seconds: float, idx=idx, key=key) -> str:
            return codes.mint(idx, at=ago(seconds=seconds)) if key is None else codes.mint(idx, key=key)

        assert send(near, shown(30))["refusal"] is None
        for seconds in (25, 20, 15):
            assert send(far, shown(seconds))["refusal"] == "pass_reused"
        assert send(near, shown(10))["refusal"] is None


def test_the_worker_tells_of_each_try_of_a_copy_that_another_process_let_in(
    gates, send, codes, person, running, event_log, sql, composed
):
    near, far = gates
    _, idx = person(GREEN)
    wait_for(lambda: sql("SELECT count(*) FROM holder") == [(1,)])
    sightings = composed.app.state.desk.scan_path._sightings
    scans = []
    for place, seconds in ((near, 30), (far, 25), (far, 20), (near, 15)):
        scans.append(send(place, codes.mint(idx, at=ago(seconds=seconds)))["scan_id"])
        sightings._young.clear()
    events = wait_for(lambda: len(found := told(event_log, "PassReused")) >= 2 and found)
    wait_for(lambda: sql("SELECT sum(scans)::int FROM scan_tally") == [(4,)])
    events = told(event_log, "PassReused")
    assert [(event.scan_id, event.other_scan_id) for _, event in events] == [
        (scans[1], scans[0]),
        (scans[2], scans[0]),
    ]


def test_a_stricter_colour_goes_before_the_reuse(gates, send, codes, person):
    _, idx = person(RED)
    near, far = gates
    send(near, codes.mint(idx))
    again = send(far, codes.mint(idx))
    assert (again["decision"], again["colour"], again["refusal"]) == ("stop", "red", None)


def test_one_place_and_a_journey_that_can_be_made_never_count(gates, send, codes, person, register, client, issuer):
    near, far = gates
    _, idx = person(GREEN)
    other_entrance = client.post(
        "/v1/checkpoints",
        json={"kind": "mall", "name": "South", "venue": "示例商场", "area": "440103001"},
        headers=issuer.headers("operator"),
    ).json()["checkpoint_id"]
    at = ago(minutes=4)
    assert send(far, codes.mint(idx, at=at), at=at)["refusal"] is None
    for seconds, place in ((30, near), (20, near), (10, other_entrance)):
        assert send(place, codes.mint(idx, at=ago(seconds=seconds)))["refusal"] is None


def test_an_upload_that_comes_late_is_found_by_the_worker(gates, send, codes, person, running, event_log, sql):
    near, far = gates
    _, idx = person(GREEN)
    wait_for(lambda: sql("SELECT count(*) FROM holder") == [(1,)])
    at = ago(hours=5)
    offline = {"decision": "pass", "refusal": None, "policy_version": "default@1", "list_revision": 1}
    first = send(near, codes.mint(idx, at=at), at=at)
    for _ in range(3):
        send(near, codes.mint(idx))
    late_at = at + timedelta(seconds=20)
    late = send(far, codes.mint(idx, at=late_at), at=late_at, offline=offline)
    events = wait_for(lambda: told(event_log, "PassReused"))
    assert [(event.scan_id, event.other_scan_id) for _, event in events] == [(late["scan_id"], first["scan_id"])]


def test_what_was_taken_offline_stands_beside_the_servers_own_decision_and_a_difference_is_told(
    gates, send, codes, person, running, event_log, sql
):
    near, _ = gates
    _, idx = person(YELLOW)
    at = ago(minutes=30)
    taken = {"decision": "pass", "refusal": None, "policy_version": "default@1", "list_revision": 3}
    differing = send(near, codes.mint(idx, at=at), at=at, offline=taken)
    agreeing = send(near, codes.mint(idx, at=at), at=at, offline=taken | {"decision": "stop"})
    assert {differing["decision"], agreeing["decision"]} == {"stop"}
    [(headers, event)] = wait_for(lambda: told(event_log, "OfflineDecisionDiffered"))
    assert headers["ce_subject"] == f"difference/{differing['scan_id']}"
    assert headers["ce_district"] == "440103"
    assert (event.taken_decision, event.decision, event.colour) == ("pass", "stop", "yellow")
    assert (event.taken_policy_version, event.taken_list_revision) == ("default@1", 3)
    kept = sql("SELECT decision, offline_decision FROM scan WHERE scan_id = %s", differing["scan_id"])
    assert kept == [("stop", "pass")]
    stops = wait_for(lambda: told(event_log, "PersonStopped"))
    assert [event.scan_id for _, event in stops] == [agreeing["scan_id"]]


def test_a_driver_alone_who_was_let_in_without_a_network_is_told_as_one_on_foot_is(
    gates, send, codes, person, running, event_log
):
    near, _ = gates
    _, idx = person(YELLOW)
    at = ago(minutes=30)
    taken = {"decision": "pass", "refusal": None, "policy_version": "default@1", "list_revision": 3}
    credential = {"pass": codes.mint(idx, at=at), "plate": "粤A12345"}
    sent = send(near, None, at=at, offline=taken, credential=credential)
    [(_, event)] = wait_for(lambda: told(event_log, "OfflineDecisionDiffered"))
    assert (event.scan_id, event.taken_decision, event.decision) == (sent["scan_id"], "pass", "stop")


def test_a_gate_that_never_had_the_answer_gets_it_late_and_what_it_decided_is_kept_beside(
    gates, client, gate, codes, person, running, event_log, sql
):
    """The scan is recorded as it came first; the gate, without an answer, decides and sends it again with that."""
    near, _ = gates
    at = ago(seconds=20)
    taken = {"decision": "pass", "refusal": None, "policy_version": "default@1", "list_revision": 3}
    scans = [scan(near, at=at, credential={"pass": codes.mint(person(YELLOW)[1], at=at)}) for _ in range(4)]
    headers = gate(near)

    def post(body):
        return client.post("/v1/scans", json=body, headers=headers)

    first = [post(each).json() for each in scans]
    assert post(scans[0] | {"offline": taken}).json() == first[0]
    assert post(scans[1] | {"offline": taken | {"decision": "stop"}}).json() == first[1]
    late = {"scans": [each | {"offline": taken} for each in (scans[0], scans[2], scans[2], scans[1], scans[3])]}
    late["scans"][4]["mask"] = False
    results = client.post("/v1/scans/batch", json=late, headers=headers).json()["results"]
    assert results[:3] == [first[0], first[2], first[2]]
    assert [each["problem"]["code"] for each in results[3:]] == ["scan_id_reused"] * 2
    assert [post(each).json() for each in scans] == first, "as it came first it is still the same"

    kept = (
        "SELECT decision, offline_decision, offline_policy_version, offline_list_revision FROM scan WHERE scan_id = %s"
    )
    told_of = ["pass", "stop", "pass", None]
    for each, decision in zip(scans, told_of, strict=True):
        beside = (decision, "default@1", 3) if decision else (None, None, None)
        assert sql(kept, each["scan_id"]) == [("stop", *beside)]
    wait_for(lambda: len(told(event_log, "OfflineDecisionDiffered")) >= 2)
    differences = told(event_log, "OfflineDecisionDiffered")
    assert {event.scan_id for _, event in differences} == {scans[0]["scan_id"], scans[2]["scan_id"]}
    assert len(differences) == 2
    assert {(event.taken_decision, event.decision, event.taken_list_revision) for _, event in differences} == {
        ("pass", "stop", 3)
    }


def test_so_does_one_whose_vehicle_was_recorded(gates, client, gate, codes, person, sql):
    near, _ = gates
    people = [{"scan_id": str(uuid7()), "credential": {"pass": codes.mint(person(GREEN)[1])}} for _ in range(3)]
    sent = scan(near, credential={"plate": "粤A12345"}, people=people)
    taken = {"decision": "check", "refusal": None, "policy_version": "default@1", "list_revision": 3}
    first = client.post("/v1/scans", json=sent, headers=gate(near)).json()
    for _ in range(2):
        late = client.post("/v1/scans", json=sent | {"offline": taken}, headers=gate(near))
        assert late.json() == first
    assert sql("SELECT count(*), count(offline_decision) FROM scan") == [(4, 4)]
    other = client.post("/v1/scans", json=sent | {"offline": taken | {"decision": "pass"}}, headers=gate(near))
    assert other.json()["code"] == "scan_id_reused"


def test_of_many_late_ones_at_once_one_is_kept_and_told(gates, client, gate, codes, person, running, event_log, sql):
    near, _ = gates
    body = scan(near, credential={"pass": codes.mint(person(YELLOW)[1])})
    first = client.post("/v1/scans", json=body, headers=gate(near)).json()
    taken = {"decision": "pass", "refusal": None, "policy_version": "default@1", "list_revision": 3}

    def late(number):
        sent = body | {"offline": taken | {"list_revision": number % 4}}
        return client.post("/v1/scans", json=sent, headers=gate(near)).json()

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(late, range(32)))
    [(kept,)] = sql("SELECT offline_list_revision FROM scan")
    assert [each == first for each in answers] == [number % 4 == kept for number in range(32)]
    wait_for(lambda: told(event_log, "OfflineDecisionDiffered"))
    wait_for(lambda: sql("SELECT count(*) FROM outbox WHERE type LIKE '%%OfflineDecisionDiffered'") == [(0,)])
    assert len(told(event_log, "OfflineDecisionDiffered")) == 1


def test_who_wears_no_mask_is_refused_by_policy(gates, send, codes, person, client, gate):
    near, _ = gates
    _, idx = person(GREEN)
    answers = [send(near, codes.mint(idx), mask=mask) for mask in (None, True, False)]
    assert [(each["decision"], each["refusal"]) for each in answers] == [
        ("pass", None),
        ("pass", None),
        ("stop", "no_mask"),
    ]
    body = scan(near, credential={"pass": codes.mint(idx)}, mask="none")
    answer = client.post("/v1/scans", json=body, headers=gate(near))
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "mask")


def test_a_repeat_is_not_a_second_use(gates, codes, person, client, gate):
    near, far = gates
    _, idx = person(GREEN)
    body = scan(near, credential={"pass": codes.mint(idx)})
    first = client.post("/v1/scans", json=body, headers=gate(near)).json()
    client.post(
        "/v1/scans", json=scan(far, credential={"pass": codes.mint(idx)}, at=datetime.now(UTC)), headers=gate(far)
    )
    assert client.post("/v1/scans", json=body, headers=gate(near)).json() == first
