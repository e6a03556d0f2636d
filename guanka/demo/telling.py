"""What the demo tells: the morning in figures, the case in time, one contact's chain, and the final count."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.tree import Tree

from guanka.demo.case import Outcome
from guanka.demo.city import City
from guanka.demo.riders import Scanned
from guanka.demo.witness import Chain, Seen
from guanka.report import percentile

_STYLE = {"green": "green", "yellow": "yellow", "red": "red", "lapsed": "dim", "unknown": "dim"}


def tell_morning(console: Console, scans: Sequence[Scanned], retried: int) -> None:
    colours = Counter(scan.colour for scan in scans)
    decisions = Counter(scan.decision for scan in scans)
    latencies = [scan.latency_ms for scan in scans]
    said = "  ".join(f"[{_STYLE[colour]}]●[/] {colour} {count:,}" for colour, count in colours.most_common())
    console.print(f"\n[bold]The morning[/]  {said}")
    console.print(
        f"  {decisions['pass']:,} passed, {decisions['check']:,} to be checked, {decisions['stop']:,} stopped; "
        f"a scan took p50 {percentile(latencies, 0.5):.1f} ms, p99 {percentile(latencies, 0.99):.1f} ms; "
        f"{retried:,} requests had to be sent again"
    )


def tell_timeline(console: Console, city: City, outcome: Outcome) -> None:
    first = outcome.first_stop
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 2))
    met = Counter(place for place in (visit.gate.name for visit in city.visits if visit.citizen == outcome.case))
    table.add_row("0.000 s", f"a hospital reports a confirmed case, who was at {', '.join(met)}")
    rows = (
        (outcome.confirmed_at, "the ledger has opened the entry"),
        (outcome.traced_at, f"the trace is done: {len(outcome.traced)} contacts"),
        (outcome.opened_at, "each contact has an entry with an owner and a deadline"),
        (outcome.coloured_at, "each contact's code has changed, with its reasons"),
        (outcome.board_at, "the board at the gates holds every new colour"),
        (first.answered_at if first else None, f"the first contact is stopped, at {first.gate.name if first else '?'}"),
        (max((s.answered_at for s in outcome.stops), default=None), f"the last of {len(outcome.expected)} is stopped"),
    )
    for moment, text in sorted(rows, key=lambda row: outcome.after_report_s(row[0])):
        after_s = outcome.after_report_s(moment)
        table.add_row("[red]never[/]" if after_s == float("inf") else f"[bold]{after_s:.3f} s[/]", text)
    console.print("\n[bold]One case[/]")
    console.print(table)


def tell_chain(console: Console, chain: Chain) -> None:
    """Why one contact was stopped, from the events alone."""
    tree = Tree("\n[bold]Why the first contact was stopped[/] [dim](rebuilt from the events alone)[/]")
    for link, text in (
        (chain.traced, _meeting(chain)),
        (
            chain.opened,
            _text(chain.opened, "ledger entry {ledger} at stage {stage}, owner {owner}, due {next_deadline}"),
        ),
        (chain.evidence, _text(chain.evidence, "evidence {kind} {evidence_id} from entry {entry_id}")),
        (chain.coloured, _reasons(chain.coloured)),
        (chain.standing, _text(chain.standing, "status list {list} at revision {revision} tells every gate")),
        (
            chain.refused,
            _text(chain.refused, "decision {decision} for {colour} by policy {policy_version}, board {board_revision}"),
        ),
        (chain.alarm, _text(chain.alarm, "alarm {kind} to {owner}, gate in {area}")),
    ):
        tree.add(f"[cyan]{link.type}[/] {text}" if link else "[red]a link is missing[/]")
    console.print(tree)


def _text(seen: Seen | None, pattern: str) -> str:
    return pattern.format_map(_Shown(seen.data)) if seen else ""


class _Shown(dict[str, object]):
    def __missing__(self, key: str) -> str:
        return "–"


def _meeting(chain: Chain) -> str:
    if chain.traced is None or chain.refused is None:
        return ""
    person = chain.refused.data.get("person_ref")
    contacts: list[dict[str, Any]] = chain.traced.data["contacts"]
    meeting = next((contact for contact in contacts if contact["person_ref"] == person), {})
    grade = str(meeting.get("grade", "")).removeprefix("GRADE_").lower()
    apart_s, rule = meeting.get("apart_s", 0.0), chain.traced.data["tracing_rule"]
    return f"{grade} contact at a {meeting.get('kind')}, {apart_s:.0f} s apart, by the tracing rule {rule}"


def _reasons(seen: Seen | None) -> str:
    if seen is None:
        return ""
    colour = str(seen.data["colour"]).removeprefix("COLOUR_").lower()
    rules = "; ".join(f"{r['rule']} of {r['rule_set']}: {r['text_zh']} / {r['text_en']}" for r in seen.data["reasons"])
    return f"[{_STYLE[colour]}]{colour}[/] because {rules}"


def tell_checks(console: Console, checks: Mapping[str, bool], figures: Mapping[str, float], path: Path) -> None:
    console.print("\n[bold]The count[/]")
    console.print(
        f"  scans acknowledged {figures['scans_sent']:,.0f} = stored {figures['scans_stored']:,.0f} "
        f"= in the event log {figures['scans_in_log']:,.0f}"
    )
    for name, holds in checks.items():
        console.print(f"  {'[green]✓[/]' if holds else '[red]✗[/]'} {name.replace('_', ' ')}")
    console.print(f"[dim]  written to {_from_here(path)}[/]", soft_wrap=True)


def _from_here(path: Path) -> Path:
    """The path as the reader can open it where the command was called."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
