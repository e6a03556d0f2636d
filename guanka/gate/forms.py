"""Registration in place at a gate: a form as a JSON line or asked for field by field, and what the gate decides alone.

A gate decides about a form by the server's own pure code (`admit`) and the policy of the bundle; where the bundle
cannot settle it, somebody looks (`check`) and nobody passes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from pydantic import ValidationError

from chassis.ids import uuid7
from chassis.problems import field_errors
from city.documents import check_character, read_document
from guanka.gate.deciding import NO_POLICY, UNSETTLED
from guanka.gate.knowledge import Knowledge
from guanka.gate.reading import READER, LineRefused, moment_of
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
    """The number of a resident identity card, or `TYPE COUNTRY NUMBER`."""
    kind, *rest = text.split()
    if not rest:
        if not _is_identity_number(kind):
            raise LineRefused(
                "register.document: this is no number of an identity card (18 characters, the last of which checks the "
                "others, or the 15 digits of an old one); of another document give TYPE COUNTRY NUMBER, such as "
                "passport FR 12AB34567"
            )
        return {"type": "resident_id", "number": kind}
    if len(rest) == 1:
        raise LineRefused("register.document: give TYPE COUNTRY NUMBER, such as passport FR 12AB34567")
    return {"type": kind, "country": rest[0], "number": "".join(rest[1:])}


def _is_identity_number(text: str) -> bool:
    """GB 11643: 17 digits and a check character, or the 15 digits from before 1999 with a date of birth in them."""
    try:
        number = read_document("resident_id", "CN", text).number
        if len(text) == _OLD_NUMBER_DIGITS:
            date.fromisoformat(f"{number[6:10]}-{number[10:12]}-{number[12:14]}")
    except ValueError:
        return False
    return len(number) == 18 and number[:17].isdigit() and number[17] == check_character(number[:17])


def _celsius(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise LineRefused("register.temperature_c: must be a number, in degrees Celsius") from None


QUESTIONS = (
    Question("document", "证件 document: NUMBER of an identity card, or TYPE COUNTRY NUMBER", _document),
    Question("phone", "电话 phone", str),
    Question("from_area", "来自 from: division code, or country such as FR", str.upper),
    Question("to_area", "前往 to: code of the community", str),
    Question("temperature_c", "体温 temperature, degrees Celsius (empty: not taken)", _celsius, is_needed=False),
)


@dataclass
class Interview:
    """A form in the making. A field that is not right is asked for again at once; the others need not be repeated."""

    answers: dict[str, object] = field(default_factory=dict)

    def question(self) -> Question | None:
        """The next one; None when the form is whole."""
        return next((each for each in QUESTIONS if each.name not in self.answers), None)

    def without(self, name: str) -> Interview:
        """As far as it has come, but for one answer."""
        return Interview({each: given for each, given in self.answers.items() if each != name})

    def answer(self, text: str, checkpoint_id: str, now: datetime) -> None:
        """Raises `LineRefused` that names the field, which is then asked for again."""
        asked = self.question()
        assert asked is not None
        if not text:
            if asked.is_needed:
                raise LineRefused(f"register.{asked.name}: is needed")
            self.answers[asked.name] = None
            return
        given = asked.read(text)
        read_form_of(_BLAMELESS | {asked.name: given}, checkpoint_id, now)
        self.answers[asked.name] = given


_BLAMELESS: dict[str, object] = {
    "document": {"type": "resident_id", "number": "110101199001010000"},
    "phone": "00000000000",
    "from_area": "110101",
    "to_area": "440103",
}
"""What stands in the other fields while one is looked at."""
