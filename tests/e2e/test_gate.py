"""The reference gate against the running product: online, cut off, killed, and back: nothing lost, nothing twice."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.outsider import COMMUNITY, Outsider, eventually, new_document
from tests.integration.checkpoints.town import PolicyOffice
from tests.running import ROOT, Product

Line = dict[str, Any]
on_one_log = pytest.mark.parametrize("product", ["local"], indirect=True, scope="package")
"""Where the event log makes no difference, the product with the local one is enough."""


@pytest.fixture(scope="module")
def outside(product: Product) -> Outsider:
    return Outsider(product)


@pytest.fixture(scope="module")
def people(outside: Outsider) -> tuple[str, str]:
    """Two green people, there before any gate here asks for a bundle: codes signs its lists once a minute."""
    return outside.healthy(), outside.healthy()


class GateDesk:
    """`guanka gate` at a checkpoint of its own."""

    def __init__(self, product: Product, checkpoint: str, *always: str) -> None:
        self.product, self.checkpoint, self._always = product, checkpoint, always
        self.state = product.home / "gates" / checkpoint

    def command(self, *options: str) -> list[str]:
        gate = ["gate", "--json", "--checkpoint", self.checkpoint, *self._always, *options]
        return [sys.executable, "-m", "guanka.main", *gate]

    def run(self, lines: list[str], *options: str) -> tuple[list[Line], str]:
        """(what it decided, what it remarked)."""
        done = subprocess.run(
            self.command(*options),
            cwd=ROOT,
            env=self.product.environment,
            input="".join(f"{line}\n" for line in lines),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()], done.stderr

    def kill_after(self, lines: Iterator[str], decisions: int, *options: str) -> list[Line]:
        """Feed line after line, kill it the moment it has shown so many decisions, and say which."""
        with subprocess.Popen(
            self.command(*options),
            cwd=ROOT,
            env=self.product.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        ) as gate:
            assert gate.stdin is not None
            assert gate.stdout is not None
            gate.stdin.write("".join(f"{line}\n" for line in lines))
            gate.stdin.flush()
            shown = [json.loads(gate.stdout.readline()) for _ in range(decisions)]
            gate.kill()
            return shown + [json.loads(line) for line in gate.stdout.read().splitlines() if line.endswith("}")]


@pytest.fixture
def desk(product: Product, outside: Outsider) -> GateDesk:
    return GateDesk(product, outside.checkpoint("mall"))


def recorded(outside: Outsider, checkpoint: str) -> list[str]:
    path = f"/v1/checkpoints/{checkpoint}/scans?limit=1000"
    return [each["scan_id"] for each in outside.get("checkpoints", path, outside.token("authority")).json()["scans"]]


def events(product: Product, name: str) -> list[Line]:
    told = product.guanka("tail", "checkpoints.events.v1", "--from-start", "--no-follow").stdout.splitlines()
    return [each for each in map(json.loads, told) if each["type"].endswith(name)]


@on_one_log
def test_with_a_network_the_server_decides(desk: GateDesk, outside: Outsider, people: tuple[str, str]) -> None:
    green = people[0]
    shown = outside.pass_of(green)
    eventually(lambda: outside.scan_person(desk.checkpoint, green)["decision"] == "pass")
    lines = [shown, json.dumps({"pass": shown, "temperature_c": 38.5}), "no pass at all", '{"pass": 7}', ""]
    decisions, remarks = desk.run(lines, "--json-lines")
    assert [(each.get("decision"), each.get("refusal"), each.get("by")) for each in decisions] == [
        ("pass", None, "server"),
        ("stop", "fever", "server"),
        ("stop", "pass_forged", "server"),
        (None, None, None),
    ]
    assert "credential.pass" in decisions[3]["error"]
    assert "bundle fetched" in remarks
    assert {each["scan_id"] for each in decisions[:3]} <= set(recorded(outside, desk.checkpoint))


@on_one_log
def test_json_in_a_code_that_somebody_shows_is_a_forged_pass_like_any_other(desk: GateDesk, outside: Outsider) -> None:
    shown = [json.dumps({"document": new_document()}), _form(), "register"]
    told = [("stop", "pass_forged")] * len(shown)
    decisions, _ = desk.run(shown)
    assert [(each["decision"], each["refusal"]) for each in decisions] == told
    assert {each["scan_id"] for each in decisions} <= set(recorded(outside, desk.checkpoint))
    assert [(each["decision"], each["refusal"]) for each in desk.run(shown, "--offline")[0]] == told


@on_one_log
def test_a_gate_takes_its_policies_under_the_keys_that_it_was_given(
    desk: GateDesk, product: Product, tmp_path: Path
) -> None:
    """Also when it is started without them the next time, and whatever a bundle brings."""
    foreign = tmp_path / "foreign.json"
    foreign.write_text(json.dumps(PolicyOffice().jwks()))
    assert "--policy-keys FILE" in desk.run([], "--policy-keys", str(foreign))[1]
    [alone], remarks = desk.run(["a.b.c"], "--offline")
    assert alone["decision"] == "check"
    assert "no bundle yet" in remarks
    assert "the server's bundle is refused" in desk.run([])[1]
    assert "bundle fetched" in desk.run([], "--policy-keys", str(product.home / "keys" / "policy.jwks.json"))[1]
    assert [each["decision"] for each in desk.run(["a.b.c"], "--offline")[0]] == ["stop"]


def test_without_it_the_gate_decides_keeps_and_uploads_late_and_the_difference_is_told(
    desk: GateDesk, outside: Outsider, product: Product, people: tuple[str, str]
) -> None:
    green, falling = people
    eventually(lambda: _knows(outside, desk, people), within_s=75)
    desk.run([])
    outside.declare(falling, contact_with_case=True)
    eventually(lambda: outside.scan_person(desk.checkpoint, falling)["colour"] == "red")
    before = set(recorded(outside, desk.checkpoint))

    document = json.dumps({"document": {"type": "passport", "number": "E12345678"}})
    lines = [outside.pass_of(green), outside.pass_of(falling), document, '{"plate": "粤A12345"}']
    decisions, remarks = desk.run(lines, "--offline", "--json-lines")
    assert [(each["decision"], each["by"]) for each in decisions] == [
        ("pass", "gate"),
        ("pass", "gate"),
        ("check", "gate"),
        ("check", "gate"),
    ]
    assert "4 scans wait" in remarks
    assert set(recorded(outside, desk.checkpoint)) == before

    _, remarks = desk.run([])
    assert "uploaded 4 scans" in remarks
    assert f"{decisions[1]['scan_id']} was taken as pass, the server decides stop" in remarks
    assert "1 who were let in without the network would be stopped now" in remarks
    assert set(recorded(outside, desk.checkpoint)) - before == {each["scan_id"] for each in decisions}
    [event] = eventually(lambda: [e for e in events(product, ".OfflineDecisionDiffered") if _is_of(e, decisions[1])])
    assert (event["data"]["taken_decision"], event["data"]["decision"]) == ("pass", "stop")
    assert "waited" not in desk.run([])[1]


@on_one_log
def test_a_gate_that_is_killed_loses_nothing_and_doubles_nothing(
    desk: GateDesk, outside: Outsider, tmp_path: Path, people: tuple[str, str]
) -> None:
    green = people[0]
    desk.run([])
    shown = outside.pass_of(green)
    journal: list[Line] = []
    for rounds in range(3):
        journal += desk.kill_after((shown for _ in range(200)), 20 + 30 * rounds, "--offline")
    assert len(journal) >= 20 + 50 + 80
    desk.run([])
    kept = recorded(outside, desk.checkpoint)
    assert {each["scan_id"] for each in journal} <= set(kept)
    assert len(kept) == len(set(kept))
    assert len(kept) - len(journal) <= 3, "at most the one that each kill found between keeping and showing"

    file = tmp_path / "passes"
    file.write_text(f"{outside.pass_of(green)}\n" * 100)
    cut = desk.kill_after(iter(()), 40, "--offline", str(file))
    rest, remarks = desk.run([], "--offline", str(file))
    assert "going on after line" in remarks
    assert 99 <= len(cut) + len(rest) <= 100
    desk.run([])
    assert len(recorded(outside, desk.checkpoint)) - len(kept) == 100

    desk.kill_after(iter(()), 40, "--offline", str(file))
    file.write_text(f"{outside.pass_of(green)}\n" * 50)
    others, remarks = desk.run([], "--offline", str(file))
    assert "it is read from its beginning" in remarks
    assert len(others) == 50


def _form(to_area: str = COMMUNITY, **changes: object) -> str:
    form = {"document": new_document(), "phone": "13800138000", "from_area": "420100", "to_area": to_area}
    return json.dumps({"register": form | {"temperature_c": 36.5} | changes})


@on_one_log
def test_who_comes_without_a_code_is_registered_at_the_gate_with_a_network_and_without(
    product: Product, outside: Outsider
) -> None:
    """Whatever becomes of the network, the community of destination expects each of them, once."""
    desk = GateDesk(product, outside.checkpoint("road"), "--forms", "--json-lines")
    asked = ["登记", "passport FR 12AB34567", "13800138000", "FR", COMMUNITY, "38.4"]
    [first, wrong, hot], remarks = desk.run([_form(), _form("123456789"), *asked])
    assert (first["decision"], first["outcome"], first["by"]) == ("pass", "registered", "server")
    assert "area" in wrong["error"]
    [unknown] = set(re.findall(r'"correct": "([0-9a-f-]{36})"', remarks))
    desk.run([json.dumps({"correct": unknown, "register": None})])
    assert (hot["decision"], hot["outcome"], hot["by"]) == ("stop", "fever", "server")
    assert hot["fever_clinic"]

    alone, remarks = desk.run([_form(), _form(temperature_c=38.0), _form("123456789")], "--offline")
    assert [(each["decision"], each["by"]) for each in alone] == [("pass", "gate"), ("stop", "gate"), ("pass", "gate")]
    assert "3 registrations wait" in remarks
    _, remarks = desk.run([])
    assert "uploaded 2 registrations" in remarks
    assert f"the server will not take {alone[2]['registration_id']}: area_unknown" in remarks
    assert "difference" not in remarks

    correction = {"correct": alone[2]["registration_id"], "register": {"to_area": COMMUNITY}}
    _, remarks = desk.run([json.dumps(correction)])
    assert "uploaded 1 registrations" in remarks
    assert "to be corrected" not in desk.run([])[1]

    community = outside.token("community", area=COMMUNITY)
    clear = [first, hot, alone[0], alone[1]]

    def tasks() -> list[str] | None:
        told = outside.get("ledger", "/v1/tasks", community).json()["tasks"]
        causes = [each["cause_id"] for each in told]
        return causes if {each["registration_id"] for each in clear} <= set(causes) else None

    causes = eventually(tasks)
    assert len(causes) == len(set(causes))


@on_one_log
def test_a_gate_that_is_killed_while_it_registers_loses_nobody(product: Product, outside: Outsider) -> None:
    desk = GateDesk(product, outside.checkpoint("road"), "--forms", "--json-lines")
    desk.run([])
    shown = desk.kill_after((_form() for _ in range(100)), 40, "--offline")
    assert len(shown) >= 40
    desk.run([])
    community = outside.token("community", area=COMMUNITY)
    for each in shown:
        path = f"/v1/registrations/{each['registration_id']}"
        assert outside.get("checkpoints", path, community).json()["decision"] == each["decision"]


def _is_of(event: Line, decision: Line) -> bool:
    return bool(event["data"]["scan_id"] == decision["scan_id"])


def _is_ready(product: Product) -> bool:
    try:
        return httpx.get(product.address("checkpoints") + "/readyz", timeout=5).status_code == 200
    except httpx.HTTPError:
        return False


def _knows(outside: Outsider, desk: GateDesk, people: tuple[str, str]) -> bool:
    """Whether the gate's bundle has these people green."""
    shown = [outside.pass_of(person) for person in people]
    desk.run([])
    return {each["decision"] for each in desk.run(shown, "--offline")[0]} == {"pass"}


@on_one_log
def test_while_the_server_dies_and_comes_back_the_gate_goes_on_and_each_scan_is_recorded_once(
    desk: GateDesk, outside: Outsider, product: Product, people: tuple[str, str]
) -> None:
    desk.run([])
    shown = outside.pass_of(people[0])
    lines = 160
    with subprocess.Popen(
        desk.command(),
        cwd=ROOT,
        env=product.environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as gate:
        assert gate.stdin is not None
        assert gate.stdout is not None
        decisions = []
        for number in range(lines):
            gate.stdin.write(f"{shown}\n")
            gate.stdin.flush()
            decisions.append(json.loads(gate.stdout.readline()))
            if number == lines // 2:
                product.kill("checkpoints-api")
        gate.stdin.close()
        assert gate.wait(60) == 0
    assert {each["by"] for each in decisions} == {"server", "gate"}
    assert decisions[lines // 2 + 1]["by"] == "gate"

    def all_recorded() -> bool:
        desk.run([])
        return len(recorded(outside, desk.checkpoint)) >= lines

    eventually(lambda: _is_ready(product), within_s=60)
    eventually(all_recorded, within_s=60)
    assert sorted(recorded(outside, desk.checkpoint)) == sorted(each["scan_id"] for each in decisions)


@on_one_log
def test_a_policy_is_checked_and_published_from_the_command_line(
    product: Product, outside: Outsider, tmp_path: Path
) -> None:
    shipped = json.loads((ROOT / "services" / "checkpoints" / "policies" / "default.json").read_text())
    file, starts_at = tmp_path / "policy.json", datetime.now(UTC) + timedelta(days=300)
    file.write_text(json.dumps(shipped | {"policy": "next-year@1"}))
    checked = product.guanka("policy", "check", str(file))
    assert checked.returncode == 0
    assert all(word in checked.stdout for word in ("next-year@1", "compound", "pass_reused", "is complete"))
    published = product.guanka("policy", "publish", str(file), "--from", starts_at.isoformat())
    assert published.returncode == 0, published.stdout
    assert "takes effect at" in published.stdout
    again = product.guanka("policy", "publish", str(file))
    assert again.returncode == 1
    assert "policy_published_otherwise" in again.stdout
    del shipped["kinds"]["port"]["decisions"]["fever"]
    file.write_text(json.dumps(shipped))
    for command in ("check", "publish"):
        refused = product.guanka("policy", command, str(file))
        assert refused.returncode == 1
        assert "kinds.port.decisions.fever" in refused.stdout
    listed = outside.get("checkpoints", "/v1/policies", outside.token("gate")).json()["policies"]
    in_force = {each["version"]: each["in_force"] for each in listed}
    assert (in_force["default@1"], in_force["next-year@1"]) == (True, False)
