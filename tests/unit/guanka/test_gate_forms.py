"""Registration in place at a gate: what is kept, asked, decided alone, uploaded late and corrected."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from guanka.gate.forms import QUESTIONS
from loadtests.bench_forms import BEGINNING, answers, typing_s
from loadtests.budgets import REGISTERED_S_MAX
from services.checkpoints.domain.scans import Decision
from tests.unit.guanka.post import ANSWER, NOW, Post

FORM: dict[str, Any] = {
    "document": {"type": "passport", "country": "FR", "number": "E7654321X"},
    "phone": "13800138000",
    "from_area": "FR",
    "to_area": "440103001101",
    "temperature_c": 36.5,
}
ADMITTED = {"decision": "check", "outcome": "registered", "say": ANSWER["say"], "policy_version": "default@1"}
ANSWERS = ["110101190003070010", "138 0013 8000", "fr", "440103001101", "36.5"]


@pytest.fixture
def post(tmp_path: Path) -> Post:
    started = Post(tmp_path / "gate", takes_forms=True, takes_json_lines=True)
    started.server.items = admitted
    return started


def admitted(form: dict[str, Any]) -> dict[str, Any]:
    return ADMITTED | {"registration_id": form["registration_id"], "fever_clinic": None}


def refusing(code: str, status: int) -> Any:
    return lambda form: {"registration_id": form["registration_id"], "problem": {"code": code, "status": status}}


def line(**changes: object) -> str:
    return json.dumps({"register": FORM | changes})


def test_with_an_answer_nothing_of_a_form_is_left(post: Post) -> None:
    post.gate.take_line(line())
    [shown] = post.show.forms
    assert (shown.decision, shown.outcome, shown.by) == ("check", "registered", "server")
    [(path, sent)] = post.server.sent
    assert path == "/v1/registrations"
    assert {name: sent[name] for name in FORM} == FORM
    assert post.memory.forms.count() == 0


def test_a_fever_is_sent_to_the_clinic_that_the_server_names(post: Post) -> None:
    clinic = {"clinic_id": "c-1", "name": {"zh": "一院", "en": "First"}, "area": "440103"}
    post.server.items = lambda form: admitted(form) | {"outcome": "fever", "fever_clinic": clinic}
    post.gate.take_line(line(temperature_c=38.0))
    assert post.show.forms[0].clinic == "一院 First"


def test_without_an_answer_what_was_decided_is_on_disk_before_it_is_shown_and_comes_late(post: Post) -> None:
    post.server.status = 0
    post.gate.take_line(line())
    [shown] = post.show.forms
    assert (shown.decision, shown.by) == (Decision.CHECK, "gate")
    assert post.show.on_disk == [[{"decision": "check", "policy_version": "none@0"}]]
    post.server.status = 200
    post.upload()
    [sent] = post.server.uploaded_forms()
    assert sent["offline"] == {"decision": "check", "policy_version": "none@0"}
    assert sent["registration_id"] == shown.registration_id
    assert post.memory.forms.count() == 0
    assert "uploaded 1 registrations that had waited" in post.show.remarks


@pytest.mark.parametrize("status", [401, 403, 404, 429, 500, 503])
def test_a_server_that_will_not_or_cannot_leaves_nobody_standing_without_an_answer(post: Post, status: int) -> None:
    post.server.status = status
    post.gate.take_line(line())
    assert [shown.by for shown in post.show.forms] == ["gate"]
    assert post.memory.forms.count() == 1


def test_a_gate_that_died_before_it_decided_sends_the_form_as_it_was(post: Post) -> None:
    post.server.status = 0
    post.gate.take_line(line())
    post.memory._disk.read("UPDATE form SET offline = NULL RETURNING 1")
    post.memory.close()
    server = post.server
    post.start(takes_forms=True)
    server.status = 200
    post.upload()
    [sent] = server.uploaded_forms()
    assert "offline" not in sent
    assert post.memory.forms.count() == 0


@pytest.mark.parametrize(
    ("code", "status", "waits", "kept"),
    [
        ("area_unknown", 422, 0, 1),
        ("invalid_request", 422, 0, 1),
        ("registration_not_done_here", 409, 0, 1),
        ("store_unavailable", 503, 1, 0),
        ("checkpoint_refused", 403, 1, 0),
    ],
)
def test_a_form_that_the_server_does_not_take_is_never_thrown_away(
    post: Post, code: str, status: int, waits: int, kept: int
) -> None:
    """Somebody is on the way, and nobody else has heard."""
    post.server.status = 0
    post.gate.take_line(line())
    post.server.status, post.server.items = 200, refusing(code, status)
    post.upload()
    assert post.memory.forms.count() == waits
    assert [(each.body["phone"], problem) for each, problem in post.memory.forms.to_correct()] == [
        (FORM["phone"], code)
    ] * kept


def test_it_is_corrected_with_what_was_decided_then_and_shown_until_it_is(post: Post) -> None:
    post.server.status = 0
    post.gate.take_line(line())
    post.server.status, post.server.items = 200, refusing("area_unknown", 422)
    post.upload()
    post.gate.tell_to_correct()
    [(kept, _)] = post.memory.forms.to_correct()
    assert any("area_unknown" in remark and kept.identifier in remark for remark in post.show.remarks)
    assert any("from FR to 440103001101" in remark for remark in post.show.remarks)
    assert not any(FORM["phone"] in remark for remark in post.show.remarks)

    for wrong in ({"to_area": "x"}, {"colour": "green"}, 7):
        post.gate.take_line(json.dumps({"correct": kept.identifier, "register": wrong}))
    post.gate.take_line(json.dumps({"correct": kept.identifier}))
    assert len(post.show.refused) == 4
    assert len(post.memory.forms.to_correct()) == 1

    post.gate.take_line(json.dumps({"correct": kept.identifier, "register": {"to_area": "440103001102"}}))
    post.server.items = admitted
    post.upload()
    sent = post.server.uploaded_forms()[-1]
    assert (sent["to_area"], sent["phone"]) == ("440103001102", FORM["phone"])
    assert sent["registered_at"] == kept.body["registered_at"]
    assert sent["offline"] == {"decision": "check", "policy_version": "none@0"}
    assert post.memory.forms.to_correct() == []
    post.gate.take_line(json.dumps({"correct": kept.identifier, "register": {}}))
    assert "no registration with this id" in post.show.refused[-1]


def test_it_may_be_let_go_in_so_many_words(post: Post) -> None:
    post.server.status = 0
    post.gate.take_line(line())
    post.server.status, post.server.items = 200, refusing("registration_not_done_here", 409)
    post.upload()
    [(kept, _)] = post.memory.forms.to_correct()
    post.gate.take_line(json.dumps({"correct": kept.identifier, "register": None}))
    assert post.memory.forms.to_correct() == []
    assert post.memory.forms.count() == 0


def test_a_form_given_at_once_that_the_server_does_not_take_is_kept_too(post: Post) -> None:
    post.server.status, post.server.problem = 422, "area_unknown"
    post.gate.take_line(line())
    assert post.memory.forms.count() == 0
    [(kept, problem)] = post.memory.forms.to_correct()
    assert (kept.body["phone"], problem) == (FORM["phone"], "area_unknown")
    assert any(kept.identifier in remark for remark in post.show.remarks)


def test_while_a_form_is_decided_it_is_not_uploaded_beside(post: Post) -> None:
    sent: list[int] = []

    def answer(form: dict[str, Any]) -> dict[str, Any]:
        if not sent:
            sent.append(1)
            post.upload()
        return admitted(form)

    post.server.items = answer
    post.gate.take_line(line())
    assert post.server.uploaded_forms() == []
    assert post.memory.forms.count() == 0


def test_of_a_form_that_was_taken_nothing_is_left_on_the_disk(post: Post) -> None:
    post.server.status = 0
    post.gate.take_line(line())
    post.server.status = 200
    assert FORM["phone"].encode() in b"".join(path.read_bytes() for path in post.folder.iterdir())
    post.upload()
    left = b"".join(path.read_bytes() for path in post.folder.iterdir())
    assert b"E7654321X" not in left
    assert b"13800138000" not in left


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ('{"register": 7}', "register"),
        ('{"register": {}}', "register.document"),
        (line(phone="call me"), "register.phone"),
        (line(phone=None), "register.phone"),
        (line(document={"type": "card", "number": "1234"}), "register.document.type"),
        (line(document={"type": "passport", "number": "1"}), "register.document.number"),
        (line(from_area="france"), "register.from_area"),
        (line(to_area="FR"), "register.to_area"),
        (line(temperature_c=50), "register.temperature_c"),
        (line(temperature_c="36.5"), "register.temperature_c"),
        (line(plate="A"), "register.plate"),
        (line(colour="green"), "register.colour"),
        (line(offline={"decision": "pass", "policy_version": "mine@1"}), "register.offline"),
        (line(registered_at="yesterday"), "register.registered_at"),
        (line(registered_at="1960-01-01T00:00:00Z"), "register.registered_at"),
        (line(registered_at=(NOW - timedelta(days=8)).isoformat()), "register.registered_at"),
        (json.dumps({"register": FORM, "pass": "a.b.c"}), "pass"),
        ('{"correct": "1"}', "register"),
    ],
)
def test_a_form_that_is_not_right_is_named_and_nothing_of_it_is_kept(post: Post, given: str, named: str) -> None:
    post.gate.take_line(given, 3)
    assert post.show.refused[0].startswith(f"3: {named}")
    assert FORM["phone"] not in post.show.refused[0]
    assert post.memory.forms.count() == 0
    assert post.server.sent == []


@pytest.mark.parametrize("options", [{}, {"takes_json_lines": True}, {"takes_forms": True}])
def test_a_code_that_somebody_shows_registers_nobody(post: Post, options: dict[str, bool]) -> None:
    """Not at a guard's own place either, where a scanner may stand beside the keyboard: a code is one line."""
    post.memory.close()
    post.start(**options)
    for shown in (line(), "register", json.dumps({"correct": "1", "register": FORM}), line(temperature_c=None)):
        post.gate.take_line(shown)
    assert post.memory.forms.count() == 0
    assert [path for path, _ in post.server.sent if "registrations" in path] == []


def test_a_guard_who_is_asked_for_forms_has_no_scans_in_json(post: Post) -> None:
    post.memory.close()
    post.start(takes_forms=True)
    shown = [line(), '{"pass": "a.b.c", "temperature_c": 36.5}', "a.b.c"]
    post.gate.take_lines(shown)
    assert [body["credential"] for _, body in post.server.sent] == [{"pass": each} for each in shown]


def test_a_guard_who_is_asked_for_forms_corrects_them_in_one_line(post: Post) -> None:
    post.server.status = 0
    post.gate.take_lines(["register", *ANSWERS])
    post.server.status, post.server.items = 200, refusing("area_unknown", 422)
    post.upload()
    [(kept, _)] = post.memory.forms.to_correct()
    post.memory.close()
    post.start(takes_forms=True)
    post.gate.take_line(json.dumps({"correct": kept.identifier, "register": {"to_area": "440103001102"}}))
    assert post.memory.forms.to_correct() == []
    assert post.memory.forms.count() == 1


# -- asked for field by field ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("word", ["register", "登记"])
def test_a_guard_who_types_one_word_is_asked_for_the_rest(post: Post, word: str) -> None:
    post.gate.take_lines([word, *ANSWERS])
    [(_, sent)] = post.server.sent
    assert sent["document"] == {"type": "resident_id", "number": ANSWERS[0]}
    assert (sent["phone"], sent["from_area"], sent["temperature_c"]) == ("138 0013 8000", "FR", 36.5)
    assert [remark for remark in post.show.remarks if remark.startswith("?")] == [
        f"? {each.words}" for each in QUESTIONS
    ]
    assert [shown.by for shown in post.show.forms] == ["server"]


def test_a_wrong_answer_is_asked_for_again_and_the_others_stand(post: Post) -> None:
    wrong = ["", "E7654321X", ANSWERS[0][:-1] + "1", "passport E7654321X", "passport FR 1"]
    wrong += ["passport FR E7654321X", "call me", "13800138000", "??", "420100", "", "440103"]
    post.gate.take_lines(["register", *wrong, "hot", "99", ""])
    assert [each.split(": ")[1] for each in post.show.refused] == [
        *["register.document"] * 4,
        "register.document.number",
        "register.phone",
        "register.from_area",
        "register.to_area",
        "register.temperature_c",
        "register.temperature_c",
    ]
    [(_, sent)] = post.server.sent
    assert sent["document"] == {"type": "passport", "country": "FR", "number": "E7654321X"}
    assert "temperature_c" not in sent


@pytest.mark.parametrize("number", ["11010519491231002X", "11010519491231002x", "440524188001010014"])
def test_the_numbers_that_the_standard_itself_gives_are_taken(post: Post, number: str) -> None:
    """The examples of GB 11643-1999."""
    post.gate.take_lines(["register", number, *ANSWERS[1:]])
    assert [body["document"]["number"] for _, body in post.server.sent] == [number]


def test_the_number_of_an_old_identity_card_is_taken(post: Post) -> None:
    """It has no check character; a date of birth that there is no day for tells a slip of the finger."""
    post.gate.take_lines(["register", "110105491331002", "110105491231002", *ANSWERS[1:]])
    assert [each.split(": ")[1] for each in post.show.refused] == ["register.document"]
    assert [body["document"]["number"] for _, body in post.server.sent] == ["110105491231002"]


def test_a_community_that_the_server_does_not_know_is_asked_for_again_alone(post: Post) -> None:
    post.server.status, post.server.problem = 422, "area_unknown"
    post.gate.take_lines(["register", *ANSWERS])
    assert post.memory.forms.count() == 0
    post.gate.take_line("register")
    for each in ANSWERS:
        post.gate.take_line(each)
    post.server.status = 200
    post.gate.take_line("440103001102")
    assert post.server.sent[-1][1]["to_area"] == "440103001102"
    assert post.server.sent[-1][1]["phone"] == ANSWERS[1]
    assert len(post.show.forms) == 1


def test_a_pass_that_is_shown_meanwhile_ends_the_form_and_is_decided(post: Post) -> None:
    shown = f"ey{'a' * 60}.{'b' * 60}.{'c' * 86}"
    post.gate.take_lines(["register", *ANSWERS[:2], shown])
    assert [body["credential"] for _, body in post.server.sent] == [{"pass": shown}]
    assert post.memory.forms.count() == 0


@pytest.mark.parametrize("ending", [["cancel"], ["取消"], []])
def test_a_form_that_is_given_up_or_cut_off_leaves_nothing_and_scans_go_on(post: Post, ending: list[str]) -> None:
    post.gate.take_lines(["register", *ANSWERS[:3], *ending])
    post.gate.take_lines(["a.b.c"])
    assert post.memory.forms.count() == 0
    assert [path for path, _ in post.server.sent] == ["/v1/scans"]


def test_a_file_that_was_cut_off_within_a_form_begins_that_form_again(post: Post) -> None:
    lines = ["a.b.c", "register", *ANSWERS, "a.b.c"]

    def until_cut_off() -> Iterator[str]:
        yield from lines[:4]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        post.gate.take_lines(until_cut_off(), "file")
    post.memory.close()
    post.start(takes_forms=True)
    post.server.items = admitted
    post.gate.take_lines(lines, "file")
    assert len(post.show.forms) == 1
    assert len(post.show.decisions) == 1


def test_a_form_typed_by_hand_takes_a_guard_less_than_thirty_seconds(post: Post) -> None:
    """By the keystroke-level model; the bench adds what the machine takes (`python -m loadtests.bench_forms`)."""
    typed = answers(random.Random(7))
    assert [len(each) for each in typed] == [18, 11, 6, 12, 4]
    post.gate.take_lines([BEGINNING, *typed])
    assert len(post.show.forms) == 1
    assert len(QUESTIONS) == len(typed)
    assert typing_s(typed) == pytest.approx(26.02), "as docs/duty.md says"
    assert typing_s(answers(None)) == pytest.approx(19.63), "with a card reader"
    assert typing_s(typed) < REGISTERED_S_MAX
