"""The forms at a gate: each kept on disk, then answered by the server, or by the gate alone; asked for if need be."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from chassis.problems import code_of, first_line
from guanka.gate.areas import AreaNames
from guanka.gate.clock import GateClock
from guanka.gate.forms import BEGINNINGS, GIVING_UP, Interview, admit_alone, corrected, is_not_done_here, read_form_of
from guanka.gate.link import Away, Link, Refused
from guanka.gate.progress import Progress
from guanka.gate.reading import LineRefused, seen_in
from guanka.gate.showing import DisplayedForm, Show
from guanka.gate.uploading import NOT_ITS_OWN_FAULT, Errands
from guanka.gate.waiting import GateMemory, Waiting
from services.checkpoints.api.forms import Form
from services.checkpoints.domain.errors import RegistrationNotDoneHere

FORM, TO_CORRECT = "register", "correct"
_AREA_UNKNOWN = "area_unknown"
_PASS_CHARACTERS_MIN = 80
"""A signature alone has 86."""


class Registering:
    def __init__(
        self,
        checkpoint: str,
        link: Link,
        memory: GateMemory,
        show: Show,
        errands: Errands,
        clock: GateClock,
        areas: AreaNames | None = None,
    ) -> None:
        self._areas = areas
        self._clock = clock
        self._checkpoint, self._link, self._memory, self._show = checkpoint, link, memory, show
        self._errands = errands
        self._interview: Interview | None = None

    def takes(self, line: str) -> bool:
        """Whether a line begins a form that is asked for, or goes on with one; a pass ends it."""
        if self._interview is not None and _looks_like_a_pass(line):
            self.give_up()
        return self._interview is not None or line in BEGINNINGS

    def hear(self, line: str, number: int, progress: Progress | None) -> None:
        """The beginning of a form, or the answer to the question that was asked last."""
        if self._interview is None:
            if is_not_done_here(self._errands.bundles.knowledge, self._clock.now()):
                return self._show.refused_line(number, f"{FORM}: {first_line(RegistrationNotDoneHere)}")
            self._interview = Interview(self._areas)
            return self._ask(self._interview)
        if line in GIVING_UP:
            return self.give_up()
        try:
            self._interview.answer(line, self._checkpoint, self._clock.now())
        except LineRefused as error:
            self._show.refused_line(number, str(error))
        return self._ask(self._interview, number, progress)

    def give_up(self) -> None:
        """At the end of all lines too: a form that is not whole is nobody's."""
        if self._interview is not None:
            self._interview = None
            self._show.remark("the form is given up; nothing of it is kept", style="yellow")

    def _ask(self, interview: Interview, number: int = 0, progress: Progress | None = None) -> None:
        """The next question; the whole form goes its way, and of a community that is not there it is asked again."""
        question = interview.question()
        if question is not None:
            return self._show.question(question.words)
        self._interview = None
        if self._take(interview.answers, number, progress, is_asked_again=True) == _AREA_UNKNOWN:
            self._interview = interview.without("to_area")
            self._ask(self._interview)
        return None

    def take_line(self, said: dict[str, Any], number: int, progress: Progress | None) -> None:
        """A form, or `{"correct": ID, "register": {changes}}`. Raises `LineRefused`."""
        if unknown := set(said) - {FORM, TO_CORRECT}:
            raise LineRefused(f"{min(unknown)}: is not known beside a form; its fields stand in {FORM}")
        if FORM not in said:
            raise LineRefused(f"{FORM}: the fields to change are needed, or null to let it go")
        if TO_CORRECT in said:
            return self._correct(said[TO_CORRECT], said[FORM], progress)
        if self._take(said[FORM], number, progress, is_asked_again=False):
            self.tell_to_correct()
        return None

    def _take(self, given: object, number: int, progress: Progress | None, *, is_asked_again: bool) -> str | None:
        """The problem's code of a form that is not taken: whoever can be asked again is, else it waits to be corrected.

        Raises `LineRefused`.
        """
        body, form = read_form_of(given, self._checkpoint, self._clock.now())
        forms = self._memory.forms
        forms.take(body, progress)
        try:
            code = self._decided(body, form, number)
            if code and is_asked_again:
                forms.settle([body["registration_id"]])
            elif code:
                forms.put_aside(Waiting(body["registration_id"], body, None), code)
            return code
        finally:
            forms.release()

    def _decided(self, body: dict[str, Any], form: Form, number: int) -> str | None:
        """By the server; where it has no answer for this gate, here. The code of its problem where it is not taken."""
        has_asked = False
        try:
            if self._link.is_up():
                has_asked = True
                return self._ask_server(body, number)
        except Away as error:
            self._errands.note_away(str(error))
        except Refused as error:
            self._show.remark(f"the server refuses this gate: {error}", style="red")
        return self._admit_alone(body, form, number, has_asked=has_asked)

    def tell_to_correct(self) -> None:
        """What the server did not take is not forgotten: somebody is on the way."""
        for form, problem in self._memory.forms.to_correct():
            at = datetime.fromisoformat(form.body["registered_at"]).astimezone()
            self._show.remark(
                f"a registration of {at:%F %H:%M}, from {form.body['from_area']} to {form.body['to_area']}, is to be "
                f'corrected ({problem}): {{"{TO_CORRECT}": "{form.identifier}", "{FORM}": {{…}}}}',
                style="red",
            )

    def _correct(self, identifier: object, changes: object, progress: Progress | None) -> None:
        """`changes` None lets it go: whoever it was is told to the community in another way."""
        old = next((each for each, _ in self._memory.forms.to_correct() if each.identifier == identifier), None)
        if old is None:
            raise LineRefused(f"{TO_CORRECT}: no registration with this id is to be corrected")
        if changes is None:
            self._memory.forms.let_go(old.identifier)
            return self._show.remark("the registration is let go", style="yellow")
        body, _ = corrected(old.body, changes, self._clock.now())
        self._memory.forms.correct(old.identifier, body, old.offline, progress)
        return self._show.remark("the registration is corrected and goes to the server")

    def _ask_server(self, body: dict[str, Any], number: int) -> str | None:
        """Raises `Away`, and `Refused` where it is the gate that is refused."""
        try:
            answer = self._link.register(body)
        except Refused as error:
            if error.status in NOT_ITS_OWN_FAULT:
                raise
            self._show.refused_line(number, error.detail)
            return error.code
        clinic, say = answer["fever_clinic"], answer["say"]
        self._show.registered(
            DisplayedForm(
                answer["registration_id"],
                answer["decision"],
                answer["outcome"],
                say["zh"],
                say["en"],
                "server",
                answer["policy_version"],
                f"{clinic['name']['zh']} {clinic['name']['en']}" if clinic else "",
            )
        )
        self._memory.forms.settle([body["registration_id"]])
        return None

    def _admit_alone(self, body: dict[str, Any], form: Form, number: int, *, has_asked: bool) -> str | None:
        identifier: str = body["registration_id"]
        try:
            admitted = admit_alone(
                self._errands.bundles.knowledge, form, self._clock.latest(), may_be_recorded=has_asked
            )
        except RegistrationNotDoneHere as error:
            self._show.refused_line(number, f"{FORM}: {error}")
            return code_of(RegistrationNotDoneHere)
        self._memory.forms.decide(identifier, admitted.for_upload())
        say = admitted.say
        self._show.registered(
            DisplayedForm(
                identifier,
                admitted.decision.value,
                admitted.outcome,
                say.zh,
                say.en,
                "gate",
                admitted.policy_version,
            )
        )
        return None


def is_correction(line: str) -> bool:
    """Whether a line names a form that is to be corrected: nobody can who has not seen what this gate shows."""
    try:
        return TO_CORRECT in seen_in(line)
    except LineRefused:
        return False


def _looks_like_a_pass(line: str) -> bool:
    return line.count(".") == 2 and len(line) > _PASS_CHARACTERS_MIN
