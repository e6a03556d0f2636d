"""The gate's own parts: what it keeps, when it shows, what it uploads and what it gives up."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from guanka.gate.reading import LineRefused, read_line
from guanka.gate.uploading import stopped_now
from guanka.gate.waiting import GateMemory, Waiting
from services.checkpoints.domain.scans import Decision
from tests.integration.checkpoints.town import GREEN
from tests.unit.guanka.city_hall import CityHall
from tests.unit.guanka.post import ANSWER, NOW, PLACE, Post

DOCUMENT = {"type": "passport", "number": "E7654321X"}


@pytest.fixture
def post(tmp_path: Path) -> Post:
    return Post(tmp_path / "gate")


@pytest.fixture
def city() -> CityHall:
    return CityHall()


@pytest.fixture
def concentrator(tmp_path: Path) -> Post:
    """A gate of devices that are trusted."""
    return Post(tmp_path / "gate", takes_json_lines=True)


def test_with_an_answer_nothing_waits(post: Post) -> None:
    post.gate.take_line("a.b.c")
    [shown] = post.show.decisions
    assert (shown.decision, shown.by) == ("pass", "server")
    assert post.memory.scans.count() == 0


def test_without_an_answer_the_decision_is_on_disk_before_it_is_shown(post: Post) -> None:
    post.server.status = 0
    post.gate.take_line("a.b.c")
    [shown] = post.show.decisions
    assert (shown.decision, shown.by) == (Decision.CHECK, "gate")
    kept = {"decision": "check", "refusal": None, "policy_version": "none@0", "list_revision": 0}
    assert post.show.on_disk == [[kept]]


@pytest.mark.parametrize("status", [401, 403, 404, 429, 500, 503])
def test_a_server_that_will_not_or_cannot_leaves_nobody_standing_at_the_gate(post: Post, status: int) -> None:
    post.server.status = status
    post.gate.take_line("a.b.c")
    assert [shown.by for shown in post.show.decisions] == ["gate"]
    assert post.memory.scans.count() == 1


def test_what_waits_is_uploaded_as_the_same_scan_with_what_was_decided(concentrator: Post) -> None:
    post = concentrator
    post.server.status = 0
    for _ in range(3):
        post.gate.take_line(json.dumps({"pass": "a.b.c", "temperature_c": 36.5}))
    post.server.status = 200
    post.upload()
    sent = post.server.uploaded()
    assert [each["scan_id"] for each in sent] == [shown.scan_id for shown in post.show.decisions]
    assert all(each["offline"]["decision"] == "check" and each["temperature_c"] == 36.5 for each in sent)
    assert post.memory.scans.count() == 0
    assert sum("difference" in remark for remark in post.show.remarks) == 3


def test_a_gate_that_died_before_it_decided_sends_the_scan_as_it_was(post: Post) -> None:
    body, _ = read_line("a.b.c", PLACE, datetime.now(UTC))
    post.memory.scans.take(body, None)
    post.memory.close()
    post.start()
    post.upload()
    [sent] = post.server.uploaded()
    assert sent == body
    assert post.memory.scans.count() == 0


def test_the_scan_that_is_being_decided_is_left_alone(post: Post) -> None:
    body, _ = read_line("a.b.c", PLACE, datetime.now(UTC))
    post.memory.scans.take(body, None)
    post.upload()
    assert post.server.uploaded() == []
    post.memory.scans.release()
    post.upload()
    assert post.server.uploaded() == [body]


@pytest.mark.parametrize(
    ("code", "status", "left", "aside"),
    [
        ("scan_id_reused", 409, 0, 0),
        ("invalid_request", 422, 0, 1),
        ("store_unavailable", 503, 1, 0),
        ("overloaded", 503, 1, 0),
        ("checkpoint_refused", 403, 1, 0),
        ("checkpoint_not_found", 404, 1, 0),
    ],
)
def test_what_becomes_of_an_item_that_the_server_does_not_record(
    post: Post, code: str, status: int, left: int, aside: int
) -> None:
    post.server.status = 0
    post.gate.take_line("a.b.c")
    post.server.status = 200
    post.server.items = lambda scan: {"scan_id": scan["scan_id"], "problem": {"code": code, "status": status}}
    post.upload()
    assert post.memory.scans.count() == left
    assert len(post.memory._disk.read("SELECT * FROM put_aside")) == aside


def test_what_was_acknowledged_is_wiped_from_the_disk(concentrator: Post) -> None:
    post = concentrator
    post.server.status = 0
    post.gate.take_line(json.dumps({"document": {"type": "passport", "number": "E7654321X"}}))
    assert b"E7654321X" in b"".join(path.read_bytes() for path in post.folder.iterdir())
    post.server.status = 200
    post.upload()
    assert b"E7654321X" not in b"".join(path.read_bytes() for path in post.folder.iterdir())


@pytest.mark.parametrize(
    "line",
    [
        '{"document": {"type": "passport", "number": "E7654321X"}}',
        '{"pass": "a.b.c", "scanned_at": "2026-01-01T00:00:00Z"}',
        '{"register": {}}',
        '{"correct": "1", "register": null}',
        "register",
        "登记",
        "{",
    ],
)
def test_a_line_is_a_pass_and_nothing_else_unless_devices_are_trusted(post: Post, line: str) -> None:
    """A QR code may say anything: that it is forged is decided and recorded, like of any other."""
    post.gate.take_line(line)
    [(path, sent)] = post.server.sent
    assert (path, sent["credential"]) == ("/v1/scans", {"pass": line})
    assert abs((datetime.fromisoformat(sent["scanned_at"]) - datetime.now(UTC)).total_seconds()) < 60
    assert post.show.refused == []


def test_how_many_were_let_in_who_would_be_stopped_now_is_told(post: Post, city: CityHall) -> None:
    """By person: of a vehicle, those in it."""
    post.server.bundle = city.bundle(datetime.now(UTC))
    post.fetch()
    post.server.status = 0
    post.gate.take_lines([city.pass_at(datetime.now(UTC)) for _ in range(3)] + ["a.b.c"])
    assert [shown.decision for shown in post.show.decisions] == ["pass"] * 3 + ["stop"]
    decided = iter(["stop", "pass", "check", "stop"])
    post.server.status = 200
    post.server.items = lambda scan: ANSWER | {"scan_id": scan["scan_id"], "decision": next(decided)}
    post.upload()
    assert "1 who were let in without the network would be stopped now" in post.show.remarks
    stopped, passed = {"decision": "stop"}, {"decision": "pass"}
    let_in = Waiting("1", {}, {"decision": "pass"})
    assert stopped_now(let_in, stopped | {"people": [stopped, passed, stopped]}) == 2
    assert stopped_now(let_in, passed | {"people": [passed, passed]}) == 0
    assert stopped_now(let_in, {"problem": {"code": "overloaded", "status": 503}}) == 0
    assert stopped_now(Waiting("1", {}, None), stopped) == 0


def test_a_driver_who_would_be_stopped_now_counts_though_the_passengers_pass() -> None:
    """The driver is none of the `people`: only the vehicle's own answer says it."""
    stopped, passed = {"decision": "stop"}, {"decision": "pass"}
    assert stopped_now(Waiting("1", {}, {"decision": "pass"}), stopped | {"people": [passed, passed]}) == 1


# -- files -------------------------------------------------------------------------------------------------------------

FILE = [f"a.b.{number}" for number in range(5)]


def cut_off(post: Post, lines: list[str], after: int, name: str = "file") -> None:
    """Read so many lines of a file, and die."""

    def until() -> Iterator[str]:
        yield from lines[:after]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        post.gate.take_lines(until(), name)
    post.memory.close()
    post.start()


def shown_passes(post: Post) -> list[str]:
    return [body["credential"]["pass"] for path, body in post.server.sent if path == "/v1/scans"]


def test_a_file_that_was_cut_off_goes_on_where_it_was_and_one_that_ended_begins_again(post: Post) -> None:
    cut_off(post, FILE, 2)
    post.gate.take_lines(FILE, "file")
    assert shown_passes(post) == FILE
    assert "going on after line 2, where this file was cut off" in post.show.remarks
    post.gate.take_lines(FILE, "file")
    assert shown_passes(post) == FILE * 2


@pytest.mark.parametrize(
    "other", [["x.y.z", *FILE], FILE[:1], [FILE[0], "x.y.z", *FILE[2:]], ["a.b.0a.b.1", *FILE[2:]]]
)
def test_another_file_under_the_same_name_is_read_from_its_beginning_and_that_is_said(
    post: Post, other: list[str]
) -> None:
    """Else the people in its first lines would be passed over."""
    cut_off(post, FILE, 2)
    post.gate.take_lines(other, "file")
    assert shown_passes(post) == FILE[:2] + other
    assert any("not the one that was cut off after line 2" in remark for remark in post.show.remarks)


def test_a_file_that_grew_and_ends_its_lines_otherwise_goes_on(post: Post) -> None:
    cut_off(post, [f"{line}\n" for line in FILE], 4)
    post.gate.take_lines([*(f"{line}\r\n" for line in FILE), "a.b.5"], "file")
    assert shown_passes(post) == [*FILE, "a.b.5"]


def test_a_file_that_is_cut_off_again_and_again_loses_nobody(post: Post) -> None:
    for after in (1, 3, 4):
        cut_off(post, FILE, after)
    post.gate.take_lines(FILE, "file")
    assert shown_passes(post) == FILE


def test_two_files_are_cut_off_each_at_its_own_place(post: Post) -> None:
    cut_off(post, FILE, 2)
    cut_off(post, FILE[::-1], 3, "other")
    post.gate.take_lines(FILE, "file")
    post.gate.take_lines(FILE[::-1], "other")
    assert Counter(shown_passes(post)) == Counter(FILE * 2)


def test_a_memory_of_a_gate_that_did_not_know_what_it_had_read_reads_the_file_again(post: Post) -> None:
    post.memory.close()
    with closing(sqlite3.connect(post.folder / "gate.db")) as file, file:
        file.execute("CREATE TABLE progress (source TEXT PRIMARY KEY, lines INTEGER NOT NULL)")
        file.execute("INSERT INTO progress VALUES ('file', 2)")
    post.start()
    post.gate.take_lines(FILE, "file")
    assert shown_passes(post) == FILE


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ('{"pass": 7}', "credential.pass"),
        ("{}", "credential"),
        ("{", "neither a pass nor JSON"),
        ('{"pass": "a", "temperature_c": 99}', "temperature_c"),
        ('{"pass": "a", "mask": "no"}', "mask"),
        ('{"pass": "a", "colour": "green"}', "colour"),
        ('{"pass": "a", "scanned_at": "yesterday"}', "scanned_at"),
        ('{"pass": "a", "scanned_at": "1960-01-01T00:00:00Z"}', "scanned_at"),
        ('{"register": {}}', "register"),
        ('{"correct": "1", "register": null}', "correct"),
        ('{"document": {"type": "card", "number": "1234"}}', "credential.document.type"),
        ('{"plate": "A"}', "credential.plate"),
        ('{"pass": "a", "people": [{"pass": "b"}]}', "people"),
        ('{"plate": "粤A12345", "people": "b"}', "people: must be a list"),
        ('{"plate": "粤A12345", "people": ["b"]}', "people.0: must be an object"),
        ('{"plate": "粤A12345", "people": [{"pass": "b"}, {"temperature_c": 36.5}]}', "people.1.credential"),
        ('{"plate": "粤A12345", "people": [{"pass": "b", "temperature_c": 99}]}', "people.0.temperature_c"),
        ('{"plate": "粤A12345", "people": [{"pass": "b", "mask": "no"}]}', "people.0.mask"),
        ('{"plate": "粤A12345", "people": [{"pass": "b", "direction": "in"}]}', "people.0.direction"),
        ('{"plate": "粤A12345", "people": [{"pass": "b", "credential": {}}]}', "people.0.credential: is not known"),
        ('{"plate": "粤A12345", "people": [{"plate": "粤A12345"}]}', "people.0.credential.plate"),
        ("x" * 5000, "credential.pass"),
    ],
)
def test_a_line_that_is_no_scan_is_named_and_not_taken(concentrator: Post, line: str, named: str) -> None:
    post = concentrator
    with pytest.raises(LineRefused, match=named):
        read_line(line, PLACE, NOW)
    post.gate.take_line(line, 3)
    assert post.memory.scans.count() == 0
    assert named in post.show.refused[0]


def test_a_vehicle_is_one_line_with_a_scan_for_each_traveller() -> None:
    body, attempt = read_line('{"plate": "粤A12345", "people": [{"pass": "a"}, {"pass": "b"}]}', PLACE, NOW)
    assert len({body["scan_id"], *(each["scan_id"] for each in body["people"])}) == 3
    assert len(attempt.people) == 2


def test_what_was_seen_of_a_traveller_stands_beside_what_they_showed() -> None:
    people = [{"pass": "a", "temperature_c": 36.5, "mask": None}, {"pass": None, "document": DOCUMENT, "mask": False}]
    body, attempt = read_line(json.dumps({"plate": "粤A12345", "temperature_c": 36.9, "people": people}), PLACE, NOW)
    sent = [{name: value for name, value in each.items() if name != "scan_id"} for each in body["people"]]
    assert sent == [
        {"credential": {"pass": "a"}, "temperature_c": 36.5},
        {"credential": {"document": DOCUMENT}, "mask": False},
    ]
    assert [(each.temperature_c, each.mask) for each in (attempt, *attempt.people)] == [
        (36.9, None),
        (36.5, None),
        (None, False),
    ]


@pytest.mark.parametrize(
    ("seen", "decision", "refusal"),
    [
        ({"temperature_c": 36.5, "mask": True}, "pass", None),
        ({"temperature_c": 38.0}, "stop", "fever"),
        ({"mask": False}, "stop", "no_mask"),
    ],
)
def test_a_gate_alone_judges_what_was_seen_of_each_traveller(
    concentrator: Post, city: CityHall, seen: dict[str, object], decision: str, refusal: str | None
) -> None:
    post = concentrator
    _, other = city.codes.enrol(GREEN)
    post.server.bundle = city.bundle(datetime.now(UTC), kind="road")
    post.fetch()
    post.server.status = 0
    passes = [city.codes.mint(idx, at=datetime.now(UTC) - timedelta(seconds=5)) for idx in (city.green, other)]
    people = [{"pass": token} | each for token, each in zip(passes, ({}, seen), strict=True)]
    post.gate.take_line(json.dumps({"plate": "粤A12345", "people": people}))
    [shown] = post.show.decisions
    assert (shown.by, shown.decision, shown.refusal) == ("gate", decision, refusal)
    post.server.status = 200
    post.upload()
    [sent] = post.server.uploaded()
    assert sent["people"][1].items() >= seen.items()


def test_an_upload_never_carries_more_than_a_request_may(post: Post) -> None:
    post.server.status = 0
    long = "a.b." + "c" * 3900
    for _ in range(300):
        body, _ = read_line(long, PLACE, NOW)
        post.memory.scans.take(body, None)
    post.memory.scans.release()
    post.server.status = 200
    post.upload()
    sizes = [len(json.dumps(body)) for path, body in post.server.sent if path == "/v1/scans/batch"]
    assert len(sizes) > 1
    assert max(sizes) < 1_048_576
    assert post.memory.scans.count() == 0


def test_two_gates_do_not_share_a_memory(post: Post) -> None:
    """Each would upload what the other is deciding."""
    with pytest.raises(OSError, match="another gate keeps its memory"):
        GateMemory(post.folder)
    post.memory.close()
    GateMemory(post.folder).close()


def test_a_code_may_hold_any_bytes_and_the_gate_goes_on(tmp_path: Path) -> None:
    """A real process, in the plainest of locales."""
    token = tmp_path / "token"
    token.write_text("a.b.c")
    shown = ["你好".encode("gbk"), b"\xff\xfe", b"\x00", b'{"pass": "\xff"}', b"a.b.c"]
    command = [sys.executable, "-m", "guanka.main", "gate", "--json", "--offline", "--checkpoint", PLACE]
    command += ["--server", "http://127.0.0.1:9", "--token-file", str(token), "--state", str(tmp_path / "state")]
    done = subprocess.run(
        command,
        input=b"".join(each + b"\n" for each in shown),
        env=os.environ | {"LC_ALL": "C", "PYTHONUTF8": "0", "GUANKA_HOME": str(tmp_path)},
        cwd=Path(__file__).resolve().parents[3],
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    decisions = [json.loads(line) for line in done.stdout.splitlines()]
    assert [each["decision"] for each in decisions] == ["check"] * len(shown)
