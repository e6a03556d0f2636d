"""Registration in place at a gate: a form as a JSON line or asked for field by field, and what the gate decides alone.

A gate decides about a form by the server's own pure code (`admit`) and the policy of the bundle; where the bundle
cannot settle it, somebody looks (`check`) and nobody passes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from chassis.ids import uuid7
from chassis.problems import field_errors
from guanka.gate.areas import SHOWN_MAX, AreaNames, choices
from guanka.gate.deciding import NO_POLICY, UNSETTLED
from guanka.gate.knowledge import Knowledge
from guanka.gate.reading import READER, LineRefused, moment_of, read_typed
from services.checkpoints.api.forms import Form, RegistrationIn, read_form
from services.checkpoints.attempts import FieldError
from services.checkpoints.domain.life import holding
from services.checkpoints.domain.policy import Say
from services.checkpoints.domain.registrations import admit, words_of
from services.checkpoints.domain.scans import Decision

BEGINNINGS = ("register", "登记")
"""Lines that begin a form that is asked for field by field."""
GIVING_UP = ("cancel", "取消")
_GIVEN = frozenset(
    ["document", "name", "phone", "from_area", "to_area", "temperature_c", "plate", "registered_at"],
)
_OUTCOME_UNKNOWN = "unknown"
_OLD_NUMBER_DIGITS = 15


@dataclass(frozen=True, slots=True)
class Admitted:
    """What the gate does with a person whom it has registered by itself."""

    decision: Decision
    outcome: str
    say: Say
    policy_version: str

    def for_upload(self) -> dict[str, Any]:
        return {"decision": self.decision.value, "policy_version": self.policy_version}


def read_form_of(given: object, checkpoint_id: str, now: datetime) -> tuple[dict[str, Any], Form]:
    """(the body of the registration, the same as read). Raises `LineRefused` that names the field."""
    if not isinstance(given, dict):
        raise LineRefused("register: must be an object with the fields of a form")
    if unknown := set(given) - _GIVEN:
        raise LineRefused(f"register.{min(unknown)}: is not known here; known are {', '.join(sorted(_GIVEN))}")
    registered_at, moment = moment_of(given.get("registered_at"), "register.registered_at", now)
    body = {name: value for name, value in given.items() if value is not None} | {
        "registration_id": str(uuid7(moment)),
        "checkpoint_id": checkpoint_id,
        "registered_at": registered_at,
    }
    try:
        return body, read_form(RegistrationIn.model_validate(body), READER, now)
    except ValidationError as error:
        first = field_errors(error.errors(include_input=False, include_url=False))[0]
        raise LineRefused(f"register.{first['field']}: {first['message']}") from None
    except FieldError as error:
        raise LineRefused(f"register.{error}") from None


def corrected(kept: dict[str, Any], changes: object, now: datetime) -> tuple[dict[str, Any], Form]:
    """A form that the server did not take, with other values in some fields; under an id of its own."""
    if not isinstance(changes, dict):
        raise LineRefused("register: must be an object with the fields to change")
    return read_form_of({n: v for n, v in kept.items() if n in _GIVEN} | changes, kept["checkpoint_id"], now)


def is_not_done_here(knowledge: Knowledge | None, now: datetime) -> bool:
    """Whether it is known that nobody is registered at this checkpoint: then nothing is asked."""
    if knowledge is None or not knowledge.reaches(now, now):
        return False
    checkpoint = holding(knowledge.versions, now)
    policy = knowledge.policy_at(now).policy.kinds[checkpoint.kind]
    return checkpoint.successor is None and policy.registration is None


def admit_alone(knowledge: Knowledge | None, form: Form, now: datetime, *, may_be_recorded: bool = False) -> Admitted:
    """What the gate does by its bundle; `may_be_recorded` where the server was asked and only its answer is missing.

    Raises `RegistrationNotDoneHere` where the bundle says so and nobody can know better.
    """
    if knowledge is None:
        return Admitted(Decision.CHECK, _OUTCOME_UNKNOWN, UNSETTLED, NO_POLICY)
    at = form.registration.registered_at
    checkpoint, signed = holding(knowledge.versions, at), knowledge.policy_at(at)
    if checkpoint.successor is not None:
        return Admitted(Decision.CHECK, _OUTCOME_UNKNOWN, UNSETTLED, signed.policy.version)
    policy, is_reached = signed.policy.kinds[checkpoint.kind], knowledge.reaches(at, now)
    if policy.registration is None and (may_be_recorded or not is_reached):
        return Admitted(Decision.CHECK, _OUTCOME_UNKNOWN, UNSETTLED, signed.policy.version)
    found = admit(policy, checkpoint, form.registration, at)
    if not is_reached and found.decision is not Decision.STOP:
        return Admitted(Decision.CHECK, found.outcome, UNSETTLED, signed.policy.version)
    return Admitted(found.decision, found.outcome, words_of(policy, found.outcome), signed.policy.version)


# -- asked for field by field ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Question:
    """One field of a form; `read` makes its value of what was typed or read from a card."""

    name: str
    words: str
    read: Callable[[str], object]
    is_needed: bool = True


def _document(text: str) -> dict[str, str]:
    try:
        return read_typed(text)
    except LineRefused as error:
        raise LineRefused(f"register.document: {str(error).removeprefix('document: ')}") from None


def _celsius(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise LineRefused("register.temperature_c: must be a number, in degrees Celsius") from None


QUESTIONS = (
    Question("document", "证件 document: NUMBER of an identity card, or TYPE COUNTRY NUMBER", _document),
    Question("phone", "电话 phone", str),
    Question("from_area", "来自 from: division code, or country such as FR, or a name within the city", str.upper),
    Question("to_area", "前往 to: name or code of the community", str),
    Question("temperature_c", "体温 temperature, degrees Celsius (empty: not taken)", _celsius, is_needed=False),
)


@dataclass
class Interview:
    """A form in the making. A field that is not right is asked for again at once; the others need not be repeated.

    With `areas` a place may be named; where several are called so, their numbers are asked for (`offered`).
    """

    areas: AreaNames | None = None
    answers: dict[str, object] = field(default_factory=dict)
    offered: Sequence[str] = ()

    def question(self) -> Question | None:
        """The next one; None when the form is whole."""
        return next((each for each in QUESTIONS if each.name not in self.answers), None)

    def without(self, name: str) -> Interview:
        """As far as it has come, but for one answer."""
        return Interview(self.areas, {each: given for each, given in self.answers.items() if each != name})

    def answer(self, text: str, checkpoint_id: str, now: datetime) -> None:
        """Raises `LineRefused` that names the field, which is then asked for again."""
        asked = self.question()
        assert asked is not None
        if not text:
            if asked.is_needed:
                raise LineRefused(f"register.{asked.name}: is needed")
            self.answers[asked.name] = None
            return
        given = asked.read(self._place(text, asked.name) if asked.name in _PLACES else text)
        read_form_of(_BLAMELESS | {asked.name: given}, checkpoint_id, now)
        self.answers[asked.name] = given
        self.offered = ()

    def _place(self, text: str, name: str) -> str:
        """The code of a place that is named, or chosen among those offered; a code and a country as they are.

        Raises `LineRefused` that says which are called so, or alike.
        """
        if self.areas is None or (text.isascii() and text.isalnum() and (len(text) == 2 and text.isalpha())):
            return text
        if text.isdigit() and int(text) <= len(self.offered):
            return self.offered[int(text) - 1] if int(text) else text
        if text.isdigit():
            if name == _DESTINATION and not self.areas.has(text):
                raise LineRefused(f"register.{name}: there is no area {text}; give its name instead")
            return text
        found = self.areas.find(text)
        if len(found) == 1:
            return found[0]
        if len(found) > SHOWN_MAX:
            raise LineRefused(f"register.{name}: {len(found)} are called so; say its street or district before it")
        self.offered = found or self.areas.close_to(text)
        told = "several are called so" if found else "nothing is called so"
        alike = f": {choices(self.areas, self.offered)}; give a number, or another name" if self.offered else ""
        raise LineRefused(f"register.{name}: {told}{alike}")


_DESTINATION = "to_area"
_PLACES = ("from_area", _DESTINATION)
_BLAMELESS: dict[str, object] = {
    "document": {"type": "resident_id", "number": "110101199001010000"},
    "phone": "00000000000",
    "from_area": "110101",
    "to_area": "440103",
}
"""What stands in the other fields while one is looked at."""
