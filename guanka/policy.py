"""`guanka policy`: look at a policy before gates obey it, and publish it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import jwt
from rich.console import Console
from rich.table import Column, Table

from chassis.reach import require_private
from guanka.home import Home
from guanka.installation import trust_in
from guanka.keys import PolicySigner
from services.checkpoints.domain.errors import PolicyIncomplete
from services.checkpoints.domain.policy import OUTCOMES, Policy, read_policy
from services.checkpoints.domain.scans import KINDS

_STYLES = {"pass": "green", "check": "yellow", "stop": "red"}
_WIDTH_MIN = 130


def check(path: Path) -> int:
    """Exit status 1 where the policy leaves something open; every gap is named."""
    console = Console(highlight=False, soft_wrap=True)
    policy = _checked(console, path)
    if policy is None:
        return 1
    _show(policy)
    console.print(
        f"[green]{policy.version} is complete:[/] {len(KINDS)} kinds, {len(OUTCOMES)} outcomes each, with words"
    )
    return 0


def publish(home: Home, path: Path, effective_from: datetime | None, *, address: str, token: str) -> int:
    """Check it, sign it with the development key (unless it is signed), and send it; exit status 1 where refused."""
    console = Console(highlight=False, soft_wrap=True)
    policy = _checked(console, path)
    if policy is None:
        return 1
    text = path.read_text(encoding="utf-8").strip()
    signed = text if _is_signed(text) else PolicySigner(home).sign(json.loads(text), effective_from=effective_from)
    require_private(address)
    answer = httpx.post(
        f"{address}/v1/policies",
        json={"policy": signed},
        headers={"Authorization": f"Bearer {token}"},
        timeout=30,
        verify=trust_in(address),
    )
    told = answer.json()
    if answer.status_code not in (200, 201):
        console.print(f"[red]{told.get('code')}:[/] {told.get('detail')}")
        return 1
    is_new, at = answer.status_code == 201, datetime.fromisoformat(told["effective_from"])
    state = "is in force" if told["in_force"] else f"takes effect at {at.astimezone():%F %T %z}"
    console.print(f"[green]{told['version']}[/] {'is published' if is_new else 'was published before'} and {state}")
    return 0


def _is_signed(text: str) -> bool:
    return text.count(".") >= 2 and not text.startswith("{")


def _document(path: Path) -> Mapping[str, Any]:
    """The document of a file, signed or not. Raises `PolicyIncomplete`."""
    text = path.read_text(encoding="utf-8").strip()
    try:
        document = (
            jwt.decode(text, options={"verify_signature": False})["policy"] if _is_signed(text) else json.loads(text)
        )
    except (ValueError, KeyError, jwt.PyJWTError) as error:
        raise PolicyIncomplete([f"this is neither JSON nor a signed policy ({type(error).__name__})"]) from None
    if not isinstance(document, Mapping):
        raise PolicyIncomplete(["an object is needed"])
    return document


def _checked(console: Console, path: Path) -> Policy | None:
    try:
        return read_policy(_document(path))
    except OSError as error:
        console.print(f"[red]{path.name} cannot be read:[/] {error.strerror}")
    except PolicyIncomplete as error:
        console.print(f"[red]{path.name} is not a complete policy:[/]")
        for gap in error.gaps:
            console.print(f"  {gap}", markup=False)
    return None


def _show(policy: Policy) -> None:
    table = Table(Column("outcome", no_wrap=True), *KINDS, box=None, padding=(0, 1, 0, 0), title=policy.version)
    for outcome in OUTCOMES:
        decisions = [policy.kinds[kind].decisions[outcome].value for kind in KINDS]
        table.add_row(outcome.value, *(f"[{_STYLES[each]}]{each}[/]" for each in decisions))
    compared = [sorted({shown.value.partition("_")[0] for shown, _ in policy.kinds[kind].compares}) for kind in KINDS]
    table.add_row("[dim]guard compares[/]", *(f"[dim]{' '.join(each) or '–'}[/]" for each in compared))
    console = Console(highlight=False)
    if console.width < _WIDTH_MIN:
        console = Console(highlight=False, width=_WIDTH_MIN)
    console.print(table)
    stale, expires = policy.offline.stale_after, policy.offline.expires_after
    console.print(f"[dim]offline: a bundle is stale after {stale}, and over after {expires}[/]")
