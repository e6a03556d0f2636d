"""The worker: holders and snapshots, persons who arrive later, figures, stops and fevers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import uuid4
from zoneinfo import ZoneInfo

from chassis.ids import uuid7
from services.checkpoints import messages
from services.checkpoints.partitions import partition_statements
from services.checkpoints.store import standings
from tests.integration.checkpoints.town import GREEN, RED, YELLOW, ago, scan, wait_for
from wire.checkpoints.v1 import events_pb2 as wire


def read_events(event_log, topic):
    """(type, key, headers, payload) of every record of a topic, so far."""
    reader = event_log.reader("test")
    reader.seek({(topic, partition): start for partition, (start, _) in event_log.bounds(topic).items()})
    found = []
    while records := reader.poll(wait_s=0, records_max=5000):
        for record in records:
            headers = {name: value.decode() for name, value in record.headers}
            found.append((headers["ce_type"].rpartition(".")[2], record.key, headers, record.value))
    reader.close()
    return found


def test_the_worker_keeps_who_holds_which_entry(running, topic, codes, sql):
    person, idx = topic.enrol(GREEN)
    other, second = topic.enrol(RED)
    wait_for(lambda: sql("SELECT idx, person_ref FROM holder ORDER BY idx") == [(idx, person), (second, other)])


def test_holders_from_before_the_first_start_are_fetched(worker, codes, sql):
    people = [codes.enrol(GREEN) for _ in range(50)]
    worker.holders.catch_up()
    assert sorted(sql("SELECT person_ref, idx FROM holder")) == sorted(people)
    [(revision,)] = sql("SELECT revision FROM standing_list")
    assert revision == codes.revision[1]


def test_the_snapshot_is_what_codes_has(running, topic, codes, sql, settings):
    running.holders.catch_up()
    _, idx = topic.enrol(YELLOW)
    wait_for(lambda: sql("SELECT count(*) FROM holder") == [(1,)])
    running.holders.keep_snapshot()
    with running.database.transaction() as tx:
        [(number, revision, packed, _)] = standings.read_lists(tx)
    expected = codes.standing_list(1, has_persons=False)
    assert (number, revision, packed) == (1, codes.revision[1], expected.packed)
    del idx


def test_a_gap_is_fetched_with_its_persons(running, topic, codes, sql):
    running.holders.catch_up()
    codes.enrol(GREEN)
    topic.enrol(RED)
    wait_for(lambda: sql("SELECT count(*) FROM holder") == [(1,)])
    running.holders.catch_up()
    assert sql("SELECT count(*) FROM holder") == [(2,)]


def test_a_lost_last_change_is_found_at_the_second_look(worker, codes, sql):
    worker.holders.catch_up()
    codes.enrol(GREEN)
    worker.holders.catch_up()
    assert sql("SELECT count(*) FROM holder") == [(0,)]
    worker.holders.catch_up()
    assert sql("SELECT count(*) FROM holder") == [(1,)]


def test_a_person_who_arrives_later_is_filled_in_and_told_again(
    client, register, gate, codes, person, running, event_log, sql
):
    place = register()
    person_ref, idx = codes.enrol(RED)
    app_board = client.app._app.state.desk.board
    fetched = codes.standing_list(1, has_persons=False)
    app_board.put(1, fetched.revision, fetched.packed)
    sent = scan(place, credential={"pass": codes.mint(idx)}, temperature_c=38.0)
    client.post("/v1/scans", json=sent, headers=gate(place))
    assert sql("SELECT person_ref FROM scan") == [(None,)]
    running.holders.catch_up()
    wait_for(lambda: sql("SELECT person_ref FROM scan") == [(person_ref,)])

    def told():
        return read_events(event_log, messages.SCANS_TOPIC)

    wait_for(lambda: len(told()) == 2)
    first, second = sorted(told(), key=lambda each: each[2]["ce_revision"])
    assert [each[0] for each in (first, second)] == ["ScanRecorded", "ScanCompleted"]
    assert (first[1], second[1]) == (sent["scan_id"], sent["scan_id"]), "one key for one scan"
    assert [each[2]["ce_revision"] for each in (first, second)] == ["1", "2"]
    assert first[2]["ce_subject"] == second[2]["ce_subject"]
    one, two = wire.ScanRecorded.FromString(first[3]), wire.ScanCompleted.FromString(second[3]).scan
    assert (one.person_ref, two.person_ref) == ("", str(person_ref))
    two.ClearField("person_ref")
    assert one == two
    wait_for(lambda: [each for each in read_events(event_log, messages.EVENTS_TOPIC) if each[0] == "PersonStopped"])
    assert sql("SELECT sum(scans)::int FROM scan_tally") == [(1,)]

    def fevers():
        found = [each for each in read_events(event_log, messages.EVENTS_TOPIC) if each[0] == "FeverFlagged"]
        told_of = [
            (each[2]["ce_revision"], wire.FeverFlagged.FromString(each[3]).person_ref, each[1]) for each in found
        ]
        return sorted(told_of)

    wait_for(lambda: len(fevers()) == 2)
    assert fevers() == [("1", "", sent["scan_id"]), ("2", str(person_ref), sent["scan_id"])]


def test_a_scan_of_long_ago_is_not_told_again_for_its_person(worker, sql, register):
    """The log keeps what it is told for nineteen days: so long after its eighth day a scan would still lie there."""
    place, person_ref = register(), uuid4()
    for statement in partition_statements(ago(days=9).date()):
        sql(statement)
    for days in (7, 9):
        at = ago(days=days)
        sql(
            "INSERT INTO scan (scan_id, checkpoint_id, scanned_at, recorded_at, list, idx, decision, colour, "
            "policy_version, board_revision, is_self_reported, digest) "
            "VALUES (%s, %s, %s, %s, 1, 1, 'pass', 'green', 'p@1', 1, false, '')",
            uuid7(at), place, at, at,
        )  # fmt: skip
    sql("INSERT INTO holder VALUES (1, 1, %s)", person_ref)
    sql("UPDATE checkpoint_version SET holds_from = now() - interval '30 days'")
    worker.holders.fill_persons()
    assert sql("SELECT person_ref FROM scan ORDER BY scan_id") == [(None,), (person_ref,)]


def test_stops_and_fevers_are_told_and_everything_is_counted(
    client, register, gate, codes, topic, person, running, event_log, sql, issuer
):
    place, hospital = register("metro"), register("hospital")
    (_, green), (red_ref, red), (hot_ref, hot) = person(GREEN), person(RED), person(GREEN)
    wait_for(lambda: sql("SELECT count(*) FROM holder") == [(3,)])

    def send(where, idx, **more):
        sent = scan(where, credential={"pass": codes.mint(idx)}, **more)
        assert client.post("/v1/scans", json=sent, headers=gate(where)).status_code == 200
        return sent["scan_id"]

    send(place, green, temperature_c=36.6)
    stopped = send(place, red)
    fever = send(hospital, hot, temperature_c=38.4)
    anonymous = scan(place, credential={"pass": "forged"}, temperature_c=39.0)
    client.post("/v1/scans", json=anonymous, headers=gate(place))

    found = wait_for(
        lambda: (
            (events := read_events(event_log, messages.EVENTS_TOPIC))
            and sum(each[0] in ("PersonStopped", "FeverFlagged") for each in events) == 3
            and events
        )
    )
    stops = [wire.PersonStopped.FromString(each[3]) for each in found if each[0] == "PersonStopped"]
    assert [(each.scan_id, each.person_ref, each.colour, each.kind) for each in stops] == [
        (stopped, str(red_ref), "red", "metro")
    ]
    flagged = [each for each in found if each[0] == "FeverFlagged"]
    fevers = {each[2]["ce_subject"]: wire.FeverFlagged.FromString(each[3]) for each in flagged}
    assert set(fevers) == {f"fever/{fever}", f"fever/{anonymous['scan_id']}"}
    assert fevers[f"fever/{fever}"].person_ref == str(hot_ref)
    assert fevers[f"fever/{anonymous['scan_id']}"].person_ref == ""
    assert {each[2]["ce_district"] for each in found if each[0] != "CheckpointRegistered"} == {"440103"}
    assert sql("SELECT sum(scans)::int FROM scan_tally") == [(4,)]

    live = client.get("/v1/stats/live", headers=issuer.headers("operator")).json()
    assert live["today"]["scans"] == live["last_minute"]["scans"] == 4
    assert live["today"]["decisions"] == {"pass": {"green": 1}, "check": {"green": 1}, "stop": {"red": 1, "unknown": 1}}
    assert live["scans_per_s"] > 0
    assert [(each["area"], each["scans"]) for each in live["today"]["areas"]] == [("440103", 4)]
    assert {each["checkpoint_id"]: each["scans"] for each in live["today"]["checkpoints"]} == {
        str(place): 3,
        str(hospital): 1,
    }
    elsewhere = client.get("/v1/stats/live", headers=issuer.headers("operator", area="440104")).json()
    assert elsewhere["today"]["scans"] == 0


def test_a_late_scan_counts_for_its_own_day(client, register, gate, codes, running, sql):
    place = register()
    at = datetime.now(UTC) - timedelta(days=3)
    client.post("/v1/scans", json=scan(place, at=at, credential={"pass": "x"}), headers=gate(place))
    day = at.astimezone(ZoneInfo("Asia/Shanghai")).date()
    wait_for(lambda: sql("SELECT day, scans FROM scan_tally") == [(day, 1)])


def test_a_registered_checkpoint_is_told(register, running, event_log):
    place = register("mall")

    def told():
        return [each for each in read_events(event_log, messages.EVENTS_TOPIC) if each[0] == "CheckpointRegistered"]

    [(_, key, headers, payload)] = wait_for(told)
    assert (key, headers["ce_subject"], headers["ce_revision"]) == (str(place), f"checkpoint/{place}", "1")
    assert wire.CheckpointRegistered.FromString(payload).kind == "mall"
