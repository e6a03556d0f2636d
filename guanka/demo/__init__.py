"""The demo: a city's morning played against the running product, over HTTP, and told from its events.

People enrol and declare, ride the metro through real stations by the measured profile of a weekday, one case is
confirmed, and its contacts are stopped at the gates. At the end everything that was acknowledged is counted again: in
the checkpoints' database and in the event log.
"""

from __future__ import annotations

import asyncio
import re
import time
from datetime import UTC, datetime
from pathlib import Path

import psycopg
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from guanka.demo.case import Outcome, choose_case, confirm
from guanka.demo.city import City, Visit, plan_city
from guanka.demo.riders import Refused, Riders, Scanned
from guanka.demo.settling import wait_until_settled
from guanka.demo.telling import tell_chain, tell_checks, tell_morning, tell_timeline
from guanka.demo.witness import NO_CHAIN, Chain, Witness, chain_of
from guanka.home import REFERENCE, Home
from guanka.report import percentile, write_report

_ENROLLING = 24
_RIDING = 48
_SCANS_PER_S = 250.0
_LOG_PATIENCE_S = 90.0
_PICTURE_COLUMNS = 132
_CONTACTS_MAX = 400
_FONT_FACES = re.compile(r"@font-face \{.*?\}", re.DOTALL)
"""A picture must not fetch fonts from anywhere."""


def run(home: Home, *, people: int, seed: int, picture: Path | None = None) -> int:
    """Exit status 0 when every check holds; `picture` keeps what the terminal showed as an SVG."""
    home.running()
    console = Console(highlight=False, record=picture is not None, width=_PICTURE_COLUMNS if picture else None)
    started_at = datetime.now(UTC)
    witness = Witness(home)
    witness.watch()
    try:
        return asyncio.run(_play(home, console, witness, started_at, people=people, seed=seed))
    except Refused as error:
        console.print(f"[red]The product refused:[/] {error}")
        return 1
    finally:
        witness.close()
        if picture is not None:
            picture.write_text(_FONT_FACES.sub("", console.export_svg(title="make demo")))


async def _play(home: Home, console: Console, witness: Witness, started_at: datetime, *, people: int, seed: int) -> int:
    city = plan_city(REFERENCE, people=people, seed=seed, run=f"{int(started_at.timestamp()):x}")
    console.print(f"[bold]关卡 Guanka[/]: a morning in Guangzhou, {people:,} people, {len(city.visits):,} scans")
    async with Riders(home) as riders:
        with _progress(console) as progress:
            references = await _enrol(riders, city, progress)
            scans = await _ride(riders, city, references, progress)
        tell_morning(console, scans, riders.retried)
        outcome = await _confirm_case(riders, witness, city, references, scans)
    tell_timeline(console, city, outcome)
    chain = await _wait_for_chain(witness, outcome, references)
    tell_chain(console, chain)
    checks, figures = await asyncio.to_thread(
        _check, home, witness, [*scans, *outcome.scans], outcome, chain, references
    )
    path = write_report("demo", started_at, figures, checks)
    tell_checks(console, checks, figures, path)
    return 0 if all(checks.values()) else 1


def _progress(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description:<22}"), BarColumn(40), MofNCompleteColumn(), TimeElapsedColumn(),
        TextColumn("[dim]{task.fields[note]}"), console=console,
    )  # fmt: skip


async def _enrol(riders: Riders, city: City, progress: Progress) -> list[str]:
    """Everybody's person_ref, by index."""
    task = progress.add_task("enrol and declare", total=len(city.citizens), note="")
    slots = asyncio.Semaphore(_ENROLLING)

    async def enrol(n: int) -> str:
        async with slots:
            reference = await riders.enrol(city.citizens[n])
        progress.advance(task)
        return reference

    return list(await asyncio.gather(*(enrol(n) for n in range(len(city.citizens)))))


async def _ride(riders: Riders, city: City, references: list[str], progress: Progress) -> list[Scanned]:
    """Play the morning's visits at their moments, the whole morning compressed into about a minute and a half."""
    task = progress.add_task("ride the metro", total=len(city.visits), note="")
    length_s = max(5.0, len(city.visits) / _SCANS_PER_S)
    slots = asyncio.Semaphore(_RIDING)
    scans: list[Scanned] = []
    started = time.monotonic()

    async def visit(each: Visit) -> None:
        try:
            shown = await riders.show_pass(references[each.citizen])
            scans.append(await riders.scan(each.citizen, shown, each.gate, each.temperature_c))
        finally:
            slots.release()
        progress.update(task, advance=1, note=f"{len(scans) / (time.monotonic() - started):.0f} scans/s")

    async with asyncio.TaskGroup() as riding:
        for each in city.visits:
            await asyncio.sleep(max(0.0, started + each.moment * length_s - time.monotonic()))
            await slots.acquire()
            riding.create_task(visit(each))
    return scans


async def _confirm_case(
    riders: Riders, witness: Witness, city: City, references: list[str], scans: list[Scanned]
) -> Outcome:
    untouched = await _untouched(witness, references, scans)
    case, contacts = choose_case(scans, untouched, contacts_max=_CONTACTS_MAX)
    if case < 0:
        raise Refused("nobody met anybody who is not a contact already; take more people, or wait half an hour")
    gates = sorted({scan.gate for scan in scans if scan.gate.kind == "metro"}, key=lambda gate: gate.checkpoint_id)
    return await confirm(
        riders,
        witness,
        references,
        case=case,
        area=city.citizens[case].community,
        contacts=contacts,
        untouched=untouched,
        gates=gates,
    )


async def _untouched(witness: Witness, references: list[str], scans: list[Scanned]) -> set[int]:
    """Who passed every gate and has no entry, once the log has told all that the morning brought about."""
    deadline = time.monotonic() + _LOG_PATIENCE_S
    while time.monotonic() < deadline and any(scan.scan_id not in witness.scan_events for scan in scans):
        await asyncio.sleep(0.1)
    await asyncio.to_thread(wait_until_settled, witness.home, patience_s=_LOG_PATIENCE_S)
    touched = {seen.data["person_ref"] for seen in witness.of("EntryOpened")}
    stopped = {scan.citizen for scan in scans if scan.decision != "pass"}
    return {scan.citizen for scan in scans if references[scan.citizen] not in touched} - stopped


async def _wait_for_chain(witness: Witness, outcome: Outcome, references: list[str]) -> Chain:
    """The chain of the first contact that was green before and was stopped; waits for the log's last link."""
    first = outcome.first_stop
    if first is None:
        return NO_CHAIN
    deadline = time.monotonic() + 10
    while True:
        chain = chain_of(witness, outcome.entry_id, references[first.citizen])
        if (chain.is_whole and chain.alarm) or time.monotonic() > deadline:
            return chain
        await asyncio.sleep(0.1)


def _check(
    home: Home, witness: Witness, scans: list[Scanned], outcome: Outcome, chain: Chain, references: list[str]
) -> tuple[dict[str, bool], dict[str, float]]:
    """Count again what was acknowledged, where it was stored and where it was told.

    The trace may also hold people of a morning played just before: they were there.
    """
    sent = {scan.scan_id for scan in scans}
    stored = _stored(home, sent)
    deadline = time.monotonic() + _LOG_PATIENCE_S
    while not sent <= witness.scan_events.keys() and time.monotonic() < deadline:
        time.sleep(0.2)
    told = sum(witness.scan_events.get(scan_id, 0) > 0 for scan_id in sent)
    checks = {
        "no_scan_lost": len(sent) == stored == told,
        "all_contacts_traced": outcome.traced & set(references) == {references[n] for n in outcome.expected},
        "all_contacts_stopped": len(outcome.stops) == len(outcome.expected),
        "chain_is_whole": chain.is_whole,
        "alarm_raised": chain.alarm is not None,
    }
    latencies = [scan.latency_ms for scan in scans]
    first = outcome.first_stop
    figures = {
        "scans_sent": len(sent),
        "scans_stored": stored,
        "scans_in_log": told,
        "contacts": len(outcome.expected),
        "traced_s": outcome.after_report_s(outcome.traced_at),
        "board_s": outcome.after_report_s(outcome.board_at),
        "first_stop_s": outcome.after_report_s(first.answered_at if first else None),
        "last_stop_s": outcome.last_stop_s,
        "scan_p50_ms": percentile(latencies, 0.5),
        "scan_p99_ms": percentile(latencies, 0.99),
    }
    return checks, {name: round(value, 3) for name, value in figures.items() if value != float("inf")}


def _stored(home: Home, sent: set[str]) -> int:
    """How many of the scans the checkpoints' database holds."""
    with psycopg.connect(home.running()["databases"]["checkpoints"]) as connection:
        row = connection.execute(
            "SELECT count(*) FROM scan WHERE scan_id = ANY(%s::uuid[])", (sorted(sent),)
        ).fetchone()
    return int(row[0]) if row else 0
