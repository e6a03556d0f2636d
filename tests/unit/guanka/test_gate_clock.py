"""A gate's clock may be wrong: it learns by how much, says so, dates by the server's time, and knows its own uses."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from guanka.gate.clock import GateClock
from guanka.gate.reading import read_line
from services.checkpoints.domain.scans import Decision
from tests.unit.guanka.city_hall import CityHall
from tests.unit.guanka.post import ANSWER, PLACE, Post

TRUE = timedelta()


@pytest.fixture
def city() -> CityHall:
    return CityHall()


class WrongClock:
    """A local clock that is off, and time that runs on."""

    def __init__(self, off: timedelta) -> None:
        self.off, self.passed_s = off, 0.0
        self._began = datetime.now(UTC)

    def true(self) -> datetime:
        return self._began + timedelta(seconds=self.passed_s)

    def local(self) -> datetime:
        return self.true() + self.off

    def running_s(self) -> float:
        return self.passed_s


def at(folder: Path, off: timedelta, **takes: bool) -> tuple[Post, WrongClock]:
    post, wrong = Post(folder, **takes), WrongClock(off)
    clock = GateClock(post.memory, post.show, local=wrong.local, running_s=wrong.running_s)
    post.gate._clock = post.gate.errands._clock = post.gate.errands.bundles._clock = clock
    post.gate._registering._clock = clock
    return post, wrong


def apart_s(text: str, moment: datetime) -> float:
    return abs((datetime.fromisoformat(text) - moment).total_seconds())


@pytest.mark.parametrize("off", [timedelta(hours=-3), timedelta(hours=8), timedelta(minutes=-3)])
def test_a_gate_learns_from_the_bundle_how_far_its_clock_is_off_and_dates_by_the_server(
    tmp_path: Path, city: CityHall, off: timedelta
) -> None:
    post, wrong = at(tmp_path, off)
    post.server.bundle = city.bundle(wrong.true())
    post.fetch()
    [said] = [remark for remark in post.show.remarks if "set it" in remark]
    assert ("fast" if off > TRUE else "slow") in said
    post.gate.take_line(city.pass_at(wrong.true()))
    [sent] = [body for path, body in post.server.sent if path == "/v1/scans"]
    assert apart_s(sent["scanned_at"], wrong.true()) < 5
    post.server.status = 0
    post.gate.take_line(city.pass_at(wrong.true()))
    if off < TRUE:
        assert post.show.decisions[-1].decision == "pass", "the pass is fresh by the server's time"


def test_a_gate_learns_from_an_answer_too_and_says_when_its_clock_is_right_again(tmp_path: Path) -> None:
    post, wrong = at(tmp_path, timedelta(minutes=10))

    def answer(scan: dict[str, Any]) -> dict[str, Any]:
        return ANSWER | {"scan_id": scan["scan_id"], "recorded_at": wrong.true().isoformat()}

    post.server.answer = answer
    post.gate.take_line("a.b.c")
    assert any("600 s fast" in remark for remark in post.show.remarks)
    post.gate.take_line("a.b.d")
    assert apart_s(post.server.sent[-1][1]["scanned_at"], wrong.true()) < 5
    wrong.off = TRUE
    post.gate.take_line("a.b.e")
    assert any("right again" in remark for remark in post.show.remarks)


def test_a_gate_that_starts_again_without_a_network_is_never_before_what_the_server_told(
    tmp_path: Path, city: CityHall
) -> None:
    """A clock without a battery begins in 1970."""
    post, wrong = at(tmp_path, TRUE)
    post.server.bundle = city.bundle(wrong.true())
    post.fetch()
    told = wrong.true()
    post.memory.close()
    post, wrong = at(tmp_path, timedelta(days=-20_000))
    post.server.status = 0
    wrong.passed_s = 40
    post.gate.take_line("a.b.c")
    [kept] = post.memory.scans.waiting(1)
    assert apart_s(kept.body["scanned_at"], told + timedelta(seconds=40)) < 5


def test_what_a_fast_clock_dated_ahead_is_uploaded_as_of_now(tmp_path: Path) -> None:
    post, wrong = at(tmp_path, timedelta(hours=2), takes_json_lines=True)
    post.server.status = 0
    person = {"document": {"type": "passport", "country": "FR", "number": "12AB34567"}}
    post.gate.take_line(json.dumps({"plate": "粤A12345", "people": [person]}))
    before = post.memory.scans.waiting(1)[0].body
    post.server.status = 200
    post.gate.errands._clock.answered(wrong.local(), wrong.true())
    post.upload()
    [sent] = post.server.uploaded()
    assert apart_s(before["scanned_at"], wrong.true() + timedelta(hours=2)) < 5
    assert apart_s(sent["scanned_at"], wrong.true()) < 5
    assert sent["offline"]["decision"] == "check"
    for sent_now, said_then in ((sent, before), (sent["people"][0], before["people"][0])):
        assert sent_now["scan_id"] != said_then["scan_id"]
    assert post.memory.scans.count() == 0


def test_a_scan_of_before_on_which_nothing_was_decided_was_nobody_let_in(tmp_path: Path) -> None:
    post, wrong = at(tmp_path, TRUE)
    post.server.status = 0
    body, _ = read_line("a.b.c", PLACE, wrong.true() - timedelta(minutes=10))
    post.memory.scans.take(body, None)
    post.memory.scans.release()
    post.server.status = 200
    post.upload()
    [sent] = post.server.uploaded()
    assert sent == body | {
        "offline": {"decision": "check", "refusal": None, "policy_version": "none@0", "list_revision": 0}
    }


def test_a_line_that_is_dated_back_is_never_sent_as_of_now(tmp_path: Path) -> None:
    """Online the server would take the gate's clock for wrong."""
    post, wrong = at(tmp_path, TRUE, takes_json_lines=True)
    moment = wrong.true() - timedelta(hours=1)
    post.gate.take_line(json.dumps({"pass": "a.b.c", "scanned_at": moment.isoformat()}))
    assert [path for path, _ in post.server.sent] == []
    post.upload()
    [sent] = post.server.uploaded()
    assert sent["offline"]["decision"] == "check"


# -- what it has let in ------------------------------------------------------------------------------------------------


@pytest.fixture
def alone(tmp_path: Path, city: CityHall) -> tuple[Post, WrongClock]:
    post, wrong = at(tmp_path, TRUE, takes_json_lines=True)
    post.server.bundle = city.bundle(wrong.true())
    post.fetch()
    return post, wrong


def show(post: Post, token: str, **more: Any) -> tuple[str, str | None]:
    post.gate.take_line(json.dumps({"pass": token} | more))
    shown = post.show.decisions[-1]
    return shown.decision, shown.refusal


@pytest.mark.parametrize("was_online", [False, True])
def test_a_gate_alone_lets_in_once_with_a_shown_pass(
    alone: tuple[Post, WrongClock], city: CityHall, was_online: bool
) -> None:
    post, wrong = alone
    token = city.pass_at(wrong.true())
    post.server.status = 200 if was_online else 0
    assert show(post, token, direction="in") == ("pass", None)
    post.server.status = 0
    wrong.passed_s = 2
    assert show(post, token, direction="in") == ("pass", None), "a scanner that reads twice"
    wrong.passed_s = 4
    assert show(post, token, direction="in") == ("check", "pass_reused")
    assert show(post, token) == ("check", "pass_reused"), "no direction lets in"
    assert show(post, token, direction="out") == ("pass", None)
    assert show(post, city.pass_at(wrong.true()), direction="in") == ("pass", None), "a fresh one is another"


@pytest.mark.parametrize("was_online", [False, True])
def test_after_a_stop_a_gate_alone_repeats_no_first_decision(
    alone: tuple[Post, WrongClock], city: CityHall, was_online: bool
) -> None:
    post, wrong = alone
    token = city.pass_at(wrong.true())
    post.server.status = 0
    assert show(post, token) == ("pass", None)
    wrong.passed_s = 1
    if was_online:
        post.server.status = 200
        post.server.answer = lambda scan: ANSWER | {"scan_id": scan["scan_id"], "decision": "stop", "refusal": "fever"}
        assert show(post, token, temperature_c=40.0) == ("stop", "fever")
        post.server.status = 0
    else:
        assert show(post, token, temperature_c=40.0) == ("stop", "fever")
    wrong.passed_s = 2
    assert show(post, token) == ("check", "pass_reused")


def test_two_in_one_vehicle_do_not_show_one_pass(tmp_path: Path, city: CityHall) -> None:
    post, wrong = at(tmp_path, TRUE, takes_json_lines=True)
    post.server.bundle = city.bundle(wrong.true(), kind="road")
    post.fetch()
    post.server.status = 0
    people = [{"pass": city.pass_at(wrong.true())} for _ in range(2)]
    post.gate.take_line(json.dumps({"plate": "粤A12345", "people": people}))
    assert (post.show.decisions[-1].decision, post.show.decisions[-1].refusal) == ("check", "pass_reused")
    post.gate.take_line(json.dumps({"plate": "粤A12345", "people": people[:1]}))
    assert post.show.decisions[-1].decision == "pass"


def test_what_it_has_let_in_it_knows_when_it_starts_again(tmp_path: Path, city: CityHall) -> None:
    post, wrong = at(tmp_path, TRUE, takes_json_lines=True)
    post.server.bundle = city.bundle(wrong.true())
    post.fetch()
    post.server.status = 0
    token = city.pass_at(wrong.true())
    assert show(post, token) == ("pass", None)
    post.memory.close()
    post, wrong = at(tmp_path, timedelta(seconds=5), takes_json_lines=True)
    post.gate.errands.bundles.load()
    post.server.status = 0
    assert show(post, token) == (Decision.CHECK, "pass_reused")


def test_who_was_checked_tries_again(alone: tuple[Post, WrongClock], city: CityHall) -> None:
    post, wrong = alone
    post.server.status = 0
    token = city.pass_at(wrong.true())
    assert show(post, token, temperature_c=38.0) == ("stop", "fever")
    wrong.passed_s = 10
    assert show(post, token, temperature_c=36.5) == ("pass", None)
