"""What can go wrong here; the first line of each is what the caller reads."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID


class CheckpointNotFound(Exception):
    """No checkpoint has this id; register it first."""


class CheckpointRegisteredOtherwise(Exception):
    """A checkpoint with this id is registered with other content."""

    def __init__(self, position: int = 0, area: str = "") -> None:
        super().__init__()
        self.position, self.area = position, area


class CheckpointRefused(Exception):
    """Your token is not bound to this checkpoint."""


class VenueNotFound(Exception):
    """No venue has this code."""


class NotTheHolder(Exception):
    """A visit is reported with a pass of one's own; show your code again and use that one."""


class ScanIdReused(Exception):
    """This scan_id was recorded with other content; a new scan needs a new scan_id."""


class StoreUnavailable(Exception):
    """The store cannot be reached now; nothing is known to be recorded. Send the same scan again."""


class Overloaded(Exception):
    """More scans are waiting than can be recorded in time; send the same scan again."""

    def __init__(self, retry_after_s: int | None = None) -> None:
        super().__init__()
        self.retry_after_s = retry_after_s


class AreaUnknown(Exception):
    """The area tree has no such node: write the city, a district, a street, a community, or a grid of a community."""


class PolicyIncomplete(Exception):
    """The policy leaves an outcome without a decision or without words."""

    def __init__(self, gaps: list[str]) -> None:
        super().__init__("; ".join(gaps))
        self.gaps = tuple(gaps)


class PolicyNotSigned(Exception):
    """The policy is not signed by a key that this city publishes policies with."""


class PolicyMisdated(Exception):
    """A policy takes effect from now on, at most a year ahead, and was signed before."""


class PolicyPublishedOtherwise(Exception):
    """This version was published with other content; give it a new version."""


class PolicyNotFound(Exception):
    """No policy of this version was published."""


class BundleNotReady(Exception):
    """What a gate needs offline is not together yet; ask again."""


class ReuseRuleIncomplete(Exception):
    """The rule of reused passes lacks a figure."""


class TracingRuleIncomplete(Exception):
    """The tracing rule leaves a kind of checkpoint without an answer."""


class TraceNotFound(Exception):
    """No trace has this id."""


class TraceNotHeld(Exception):
    """This trace waits for nobody."""


class SecondPersonNeeded(Exception):
    """The person who asked for this trace, or opened its case, cannot approve it; another approver can."""


class RequesterUnknown(Exception):
    """Nobody knows who asked for this trace, so no second person can approve it; `guanka republish ledger` tells it."""


class CursorMalformed(Exception):
    """The cursor is not one that this service gave out."""


class TraceAskedOtherwise(Exception):
    """A trace with this id was asked for with other content."""


class ChangeRefused(Exception):
    """The checkpoint's stage does not allow this change."""

    def __init__(self, change: str = "", stage: str = "", allowed: Iterable[str] = (), *, detail: str = "") -> None:
        those = ", ".join(sorted(allowed)) or "none"
        super().__init__(detail or f"A {stage} checkpoint cannot {change}; the changes allowed there are: {those}.")


class RevisionStale(Exception):
    """This has changed since the revision you expected; read it again."""

    def __init__(self, expected: int, actual: int) -> None:
        super().__init__(f"You expected revision {expected}, it is at revision {actual}; read it again.")


class RegistrationNotDoneHere(Exception):
    """The policy does not let people be registered in place at this kind of checkpoint."""


class RegistrationIdReused(Exception):
    """This registration_id was recorded with other content; a new registration needs a new one."""


class RegistrationNotFound(Exception):
    """No registration has this id."""


class VersionStale(Exception):
    """This has changed since the version you expected; read it again."""

    def __init__(self, expected: int, actual: int) -> None:
        super().__init__(f"You expected version {expected}, it is at version {actual}; read it again.")


class DeviceNotFound(Exception):
    """No device has this id; an operator registers it first."""


class DeviceRegisteredOtherwise(Exception):
    """A device with this id is registered with other content; place it anew to change it."""


class ReadingIdReused(Exception):
    """A reading_id was recorded with other content; a new reading needs a new one."""


class MeasurementCaseNotFound(Exception):
    """No measurement case has this id."""


class FeverClinicNotFound(Exception):
    """No fever clinic has this id."""


class PersonUnknown(Exception):
    """The credential names nobody; use the document."""


class StepRefused(Exception):
    """The measurement case's stage does not allow this step."""

    def __init__(self, step: str, stage: str, allowed: Iterable[str]) -> None:
        those = ", ".join(sorted(allowed)) or "none, it is closed"
        super().__init__(f"A case that is {stage} does not take {step}; the steps allowed there are: {those}.")


class ShiftNotFound(Exception):
    """No shift has this id."""


class ShiftOnDutyAlready(Exception):
    """Another shift is on duty at this checkpoint; it signs off first."""

    def __init__(self, shift_id: UUID | None = None) -> None:
        said = "" if shift_id is None else f"The shift {shift_id} is on duty at this checkpoint; it signs off first."
        super().__init__(said)
        self.shift_id = shift_id


class ShiftIdReused(Exception):
    """This shift_id was used with other content; a new shift needs a new one."""


class ShiftSignedOff(Exception):
    """This shift has signed off; nothing of it changes any more."""


class VenueUnknown(Exception):
    """No checkpoint stands at a venue of this name."""


class VenueRefused(Exception):
    """The checkpoints at this venue lie outside your token's area; an operator who reaches them may add one."""

    def __init__(self, position: int = 0) -> None:
        super().__init__()
        self.position = position
