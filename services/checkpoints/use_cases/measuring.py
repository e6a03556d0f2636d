"""Take what devices read, follow up what is hot, and notice who of them is silent or drifts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from chassis.ids import uuid7
from services.checkpoints.domain.devices import (
    Device,
    DeviceKind,
    Reading,
    Trouble,
    expectations,
    is_drifting,
    is_silent,
)
from services.checkpoints.domain.errors import MeasurementCaseNotFound, ReadingIdReused, VersionStale
from services.checkpoints.domain.events import (
    DeviceDrifted,
    DeviceRecovered,
    DeviceSilent,
    DomainEvent,
    FeverMeasured,
    MeasurementCaseMoved,
    MeasurementCaseOpened,
    MeasurementCaseOverdue,
)
from services.checkpoints.domain.measurement import (
    SAME_PERSON_WITHIN,
    CaseStage,
    MeasurementCase,
    Step,
    is_same_person,
    stepped,
)
from services.checkpoints.domain.scans import Checkpoint
from services.checkpoints.store import devices, lives, measurement_cases
from services.checkpoints.trace import Tell

Way = tuple[Checkpoint, ...]
OVERDUE_AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class StepOrder:
    """What a guard did about a case."""

    case_id: UUID
    step: Step
    expected_version: int
    remeasured_c: float | None = None
    person_ref: UUID | None = None
    clinic_id: str | None = None


class Measuring:
    """`case_within`: a case unfinished by then alarms, and a hot reading older than that is followed up no more."""

    def __init__(self, tell: Tell, zone: ZoneInfo, *, case_within: timedelta) -> None:
        self._tell, self._zone, self._case_within = tell, zone, case_within

    # -- readings ----------------------------------------------------------------------------------------------------

    def take_readings(
        self, tx: Connection, device: Device, checkpoint: Checkpoint, readings: Sequence[Reading], now: datetime
    ) -> tuple[int, list[MeasurementCase]]:
        """(how many were new, the cases that the hot ones among them opened). Raises `ReadingIdReused`.

        To be heard locks the device: of its readings that arrive at once the later ones see the cases of the others.
        """
        new = devices.add_readings(tx, device.device_id, readings, now)
        kept = devices.readings_of(tx, {reading.reading_id for reading in readings})
        if not all(_is_kept(device, reading, kept) for reading in readings):
            raise ReadingIdReused()
        devices.hear(tx, device.device_id, now)
        hot = [reading for reading in readings if reading.reading_id in new and reading.is_hot()]
        hot = [reading for reading in hot if now - reading.measured_at < self._case_within]
        return len(new), self._follow_up(tx, device, checkpoint, hot, now) if hot else []

    def _follow_up(
        self, tx: Connection, device: Device, checkpoint: Checkpoint, hot: Sequence[Reading], now: datetime
    ) -> list[MeasurementCase]:
        """The cases that hot readings open. Before a hand thermometer each is somebody else, however soon."""
        ordered = sorted(hot, key=lambda each: each.measured_at)
        if device.kind is DeviceKind.THERMAL_CAMERA:
            opened = self._seen_by_camera(tx, device, checkpoint, ordered, now)
        else:
            opened = [self._case(device, checkpoint, reading, now) for reading in ordered]
        if opened:
            measurement_cases.add(tx, opened, by=f"device:{device.device_id}")
            self._tell(tx, [MeasurementCaseOpened(case, checkpoint) for case in opened])
        return opened

    def _seen_by_camera(
        self, tx: Connection, device: Device, checkpoint: Checkpoint, hot: Sequence[Reading], now: datetime
    ) -> list[MeasurementCase]:
        """The cases that are new; frames of a person who waits to be measured again join that one's case."""
        times = [reading.measured_at for reading in hot]
        after, before = min(times) - SAME_PERSON_WITHIN, max(times) + SAME_PERSON_WITHIN
        known = measurement_cases.waiting(tx, device.device_id, checkpoint.checkpoint_id, after=after, before=before)
        cases = list(known)
        for reading in hot:
            number = next((n for n, (at, _) in enumerate(cases) if is_same_person(at, reading.measured_at)), None)
            if number is None:
                cases.append((reading.measured_at, self._case(device, checkpoint, reading, now)))
            else:
                at, case = cases[number]
                cases[number] = at, replace(case, temperature_c=max(case.temperature_c, reading.temperature_c or 0.0))
        measurement_cases.warm(tx, [case for (_, was), (_, case) in zip(known, cases, strict=False) if case != was])
        return [case for _, case in cases[len(known) :]]

    def _case(self, device: Device, checkpoint: Checkpoint, reading: Reading, now: datetime) -> MeasurementCase:
        assert reading.temperature_c is not None
        return MeasurementCase(
            case_id=uuid7(now),
            checkpoint_id=checkpoint.checkpoint_id,
            device_id=device.device_id,
            reading_id=reading.reading_id,
            temperature_c=reading.temperature_c,
            stage=CaseStage.TO_REMEASURE,
            version=1,
            opened_at=now,
            due_at=now + self._case_within,
        )

    # -- cases -------------------------------------------------------------------------------------------------------

    def take_step(
        self, tx: Connection, order: StepOrder, checkpoint: Checkpoint, *, by: str, now: datetime
    ) -> MeasurementCase:
        """The case after the step. Raises `MeasurementCaseNotFound`, `VersionStale`, `StepRefused`."""
        case = measurement_cases.find(tx, order.case_id, is_locked=True)
        if case is None:
            raise MeasurementCaseNotFound()
        if case.version != order.expected_version:
            raise VersionStale(order.expected_version, case.version)
        moved = stepped(
            case,
            order.step,
            now,
            remeasured_c=order.remeasured_c,
            person_ref=order.person_ref,
            clinic_id=order.clinic_id,
        )
        measurement_cases.save(tx, moved, order.step.value, by=by, at=now)
        told: list[DomainEvent] = [MeasurementCaseMoved(moved, checkpoint, case.stage, order.step, now)]
        if order.step is Step.IDENTIFY:
            told.append(FeverMeasured(moved, checkpoint, now))
        self._tell(tx, told)
        return moved

    def tell_overdue(self, tx: Connection, now: datetime) -> int:
        """Tell of every case that is unfinished past its time, once; how many."""
        overdue = measurement_cases.take_overdue(tx, now, OVERDUE_AT_ONCE)
        ways = lives.ways(tx, {case.checkpoint_id for case in overdue}, now)
        self._tell(tx, [MeasurementCaseOverdue(case, ways[case.checkpoint_id][-1], now) for case in overdue])
        return len(overdue)

    # -- devices -----------------------------------------------------------------------------------------------------

    def watch_silence(self, tx: Connection, now: datetime) -> None:
        """Tell of devices that have fallen silent, and of those that are heard again."""
        for watched, way in _with_ways(tx, now):
            self._watch_silence(tx, watched, way, now)

    def watch_drift(self, tx: Connection, now: datetime) -> None:
        """Tell of devices that have begun to drift, and of those that are well again."""
        measured = devices.measured(tx, now)
        expected = expectations(measured)
        alone = devices.baselines(tx, [name for name, told in expected.items() if told is None], now)
        medians = {each.device_id: each.median_c for each in measured}
        for watched, way in _with_ways(tx, now):
            name = watched.device.device_id
            should = expected.get(name) or alone.get(name)
            if name in expected and should is not None:
                self._watch_drift(tx, watched, way[-1], medians[name] - should, now)

    def _watch_silence(self, tx: Connection, watched: devices.Watched, way: Way, now: datetime) -> None:
        device, heard_at, place = watched.device, watched.heard_at, way[-1]
        is_now = place.is_open and is_silent(
            device,
            heard_at=heard_at,
            placed_at=watched.placed_at,
            opened_at=max(each.holds_from for each in way),
            now=now,
            zone=self._zone,
        )
        is_heard = heard_at is not None and now - heard_at <= timedelta(seconds=device.interval_s)
        if is_now and Trouble.SILENT not in watched.troubles:
            self._begin(tx, device, place, Trouble.SILENT, None, now)
        elif is_heard and Trouble.SILENT in watched.troubles:
            self._end(tx, device, place, Trouble.SILENT, now)

    def _watch_drift(
        self, tx: Connection, watched: devices.Watched, place: Checkpoint, deviation_c: float, now: datetime
    ) -> None:
        was_drifting = Trouble.DRIFTING in watched.troubles
        is_now = is_drifting(deviation_c, was_drifting=was_drifting)
        if is_now and not was_drifting:
            self._begin(tx, watched.device, place, Trouble.DRIFTING, deviation_c, now)
        elif was_drifting and not is_now:
            self._end(tx, watched.device, place, Trouble.DRIFTING, now)

    def _begin(
        self,
        tx: Connection,
        device: Device,
        place: Checkpoint,
        trouble: Trouble,
        deviation_c: float | None,
        now: datetime,
    ) -> None:
        if not devices.begin_trouble(tx, device.device_id, trouble, now, deviation_c):
            return
        revision = devices.raise_revision(tx, device.device_id)
        if trouble is Trouble.SILENT:
            self._tell(tx, [DeviceSilent(device, place, revision, now)])
        else:
            self._tell(tx, [DeviceDrifted(device, place, revision, now, deviation_c or 0.0)])

    def _end(self, tx: Connection, device: Device, place: Checkpoint, trouble: Trouble, now: datetime) -> None:
        if devices.end_trouble(tx, device.device_id, trouble, now):
            revision = devices.raise_revision(tx, device.device_id)
            self._tell(tx, [DeviceRecovered(device, place, revision, now, trouble)])


def _with_ways(tx: Connection, now: datetime) -> list[tuple[devices.Watched, Way]]:
    """Every device with its checkpoint and those that it was merged into: the last has its readings and alarms."""
    found = devices.watched(tx)
    ways = lives.ways(tx, {watched.device.checkpoint_id for watched in found}, now)
    return [(watched, ways[watched.device.checkpoint_id]) for watched in found]


def _is_kept(device: Device, reading: Reading, kept: dict[UUID, tuple[str, Reading]]) -> bool:
    device_id, stored = kept[reading.reading_id]
    return (device_id, stored) == (device.device_id, reading)
