"""The forms at a gate: each kept on disk, then answered by the server, or by the gate alone; asked for if need be."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from guanka.gate.forms import BEGINNINGS, GIVING_UP, Interview, admit_alone, corrected, read_form_of
from guanka.gate.link import Away, Link, Refused
from guanka.gate.reading import LineRefused
from guanka.gate.showing import DisplayedForm, Show
from guanka.gate.uploading import NOT_ITS_OWN_FAULT, Errands
from guanka.gate.waiting import GateMemory
from services.checkpoints.api.forms import Form
from services.checkpoints.domain.errors import RegistrationNotDoneHere

FORM, TO_CORRECT = "register", "correct"
_AREA_UNKNOWN = "area_unknown"


class Registering:
    def __init__(self, checkpoint: str, link: Link, memory: GateMemory, show: Show, errands: Errands) -> None:
        self._checkpoint, self._link, self._memory, self._show = checkpoint, link, memory, show
        self._errands = errands
        self._interview: Interview | None = None

    def takes(self, line: str) -> bool:
        """Whether a line begins a form that is asked for, or goes on with one."""
        return self._interview is not None or line in BEGINNINGS

    def hear(self, line: str, number: int, source: str | None) -> None:
        """The beginning of a form, or the answer to the question that was asked last."""
        if self._interview is None:
            self._interview = Interview()
            return self._ask(self._interview)
        if line in GIVING_UP:
            return self.give_up()
        now = datetime.now(UTC)
        try:
            self._interview.answer(line, self._checkpoint, now)
        except LineRefused as error:
            self._show.refused_line(number, str(error))
        return self._ask(self._interview, number, source)

    def give_up(self) -> None:
        """At the end of all lines too: a form that is not whole is nobody's."""
        if self._interview is not None:
            self._interview = None
            self._show.remark("the form is given up; nothing of it is kept", style="yellow")

    def _ask(self, interview: Interview, number: int = 0, source: str | None = None) -> None:
        question = interview.question()
        if question is not None:
            return self._show.question(question.words)
        self._interview = None
        if self.take({FORM: interview.answers}, number, source) == _AREA_UNKNOWN:
            self._interview = interview.without("to_area")
            return self._ask(self._interview)
        return None

    def take(self, said: dict[str, Any], number: int, source: str | None) -> str | None:
        """A form, or `{"correct": ID, "register": {changes}}`; the problem's code where the server will not take it.

        Raises `LineRefused`.
        """
        if unknown := set(said) - {FORM, TO_CORRECT}:
            raise LineRefused(f"{min(unknown)}: is not known beside a form; its fields stand in {FORM}")
        if FORM not in said:
            raise LineRefused(f"{FORM}: the fields to change are needed, or null to let it go")
        if TO_CORRECT in said:
            self._correct(said[TO_CORRECT], said[FORM], number, source)
            return None
        body, form = read_form_of(said[FORM], self._checkpoint, datetime.now(UTC))
        self._errands.deciding = body["registration_id"]
        self._memory.forms.take(body, source, number)
        try:
            return self._decided(body, form, number)
        finally:
            self._errands.deciding = None

    def _decided(self, body: dict[str, Any], form: Form, number: int) -> str | None:
        """By the server; where it has no answer for this gate, here."""
        try:
            if self._link.is_up():
                return self._ask_server(body, number)
        except Away as error:
            self._errands.note_away(str(error))
        except Refused as error:
            self._show.remark(f"the server refuses this gate: {error}", style="red")
        self._admit_alone(body["registration_id"], form, number)
        return None

    def tell_to_correct(self) -> None:
        """What the server did not take is not forgotten: somebody is on the way."""
        for waiting, problem in self._memory.forms.to_correct():
            self._show.remark(
                f"a registration is to be corrected, the server says {problem}: "
                f'{{"{TO_CORRECT}": "{waiting.identifier}", "{FORM}": {{…}}}}',
                style="red",
            )

    def _correct(self, identifier: object, changes: object, number: int, source: str | None) -> None:
        """`changes` None lets it go: whoever it was is told to the community in another way."""
        old = next((each for each, _ in self._memory.forms.to_correct() if each.identifier == identifier), None)
        if old is None:
            raise LineRefused(f"{TO_CORRECT}: no registration with this id is to be corrected")
        if changes is None:
            self._memory.forms.let_go(old.identifier)
            return self._show.remark("the registration is let go", style="yellow")
        body, _ = corrected(old.body, changes, datetime.now(UTC))
        self._memory.forms.correct(old.identifier, body, old.offline, source, number)
        return self._show.remark("the registration is corrected and goes to the server")

    def _ask_server(self, body: dict[str, Any], number: int) -> str | None:
        """The code of its problem where the server will not take what the form says.

        Raises `Away`, and `Refused` where it is the gate that is refused.
        """
        try:
            answer = self._link.register(body)
        except Refused as error:
            if error.status in NOT_ITS_OWN_FAULT:
                raise
            self._show.refused_line(number, error.detail)
            self._memory.forms.settle([body["registration_id"]])
            return error.code
        clinic = answer["fever_clinic"]
        self._show.registered(
            DisplayedForm(
                answer["registration_id"],
                answer["decision"],
                answer["outcome"],
                answer["say"]["zh"],
                answer["say"]["en"],
                "server",
                answer["policy_version"],
                f"{clinic['name']['zh']} {clinic['name']['en']}" if clinic else "",
            )
        )
        self._memory.forms.settle([body["registration_id"]])
        return None

    def _admit_alone(self, identifier: str, form: Form, number: int) -> None:
        try:
            admitted = admit_alone(self._errands.knowledge, form)
        except RegistrationNotDoneHere as error:
            self._memory.forms.settle([identifier])
            return self._show.refused_line(number, f"{FORM}: {error}")
        self._memory.forms.decide(identifier, admitted.for_upload())
        return self._show.registered(
            DisplayedForm(
                identifier,
                admitted.decision.value,
                admitted.outcome,
                admitted.say.zh,
                admitted.say.en,
                "gate",
                admitted.policy_version,
            )
        )
