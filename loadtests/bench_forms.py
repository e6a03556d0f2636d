"""`python -m loadtests.bench_forms`: how long a guard takes to register somebody, with a network and without.

A person's time is typing; the keystroke-level model says how long that takes. What the machine adds is measured: a real
`guanka gate` at a road is given form after form, answer by answer, and each is timed from its last answer to the
decision that is shown.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime

import httpx
from rich.console import Console
from rich.table import Table

from guanka.home import ROOT, Home
from guanka.keys import TokenIssuer
from guanka.report import percentile, write_report
from loadtests.budgets import REGISTERED_S_MAX
from tests.running import Product, running_product

KEY_S, PREPARING_S = 0.28, 1.35
"""Operators K (an average typist who is no secretary) and M (to prepare the next step) of the keystroke-level model:
Card, Moran and Newell, "The keystroke-level model for user performance time with interactive systems", Communications
of the ACM 23 (1980)."""
BEGINNING, BEGINNING_KEYS = "登记", len("dengji ")
_COMMUNITY = "440103001101"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--forms", type=int, default=300)
    arguments = parser.parse_args()
    started_at = datetime.now(UTC)
    with running_product() as product:
        place = _road(product)
        seconds = {
            "server": _seconds(product, place, "server", _forms(arguments.forms, seed=1)),
            "gate": _seconds(product, place, "gate", _forms(arguments.forms, seed=2), "--offline"),
        }
    figures = {"typing_s": typing_s(_forms(1, seed=1)[0]), "by_card_reader_s": typing_s(answers(None))}
    for by, found in seconds.items():
        figures[f"{by}_median_s"], figures[f"{by}_p99_s"] = percentile(found, 0.5), percentile(found, 0.99)
        figures[f"{by}_whole_s"] = figures["typing_s"] + figures[f"{by}_p99_s"]
    checks = {f"registered_by_{by}": figures[f"{by}_whole_s"] <= REGISTERED_S_MAX for by in ("server", "gate")}
    path = write_report("bench-forms", started_at, figures, checks)
    _tell(figures, checks, str(path))
    return 0 if all(checks.values()) else 1


def typing_s(given: Sequence[str]) -> float:
    """Seconds to begin a form and type each answer with its return key; one that is empty costs its key alone."""
    keys = BEGINNING_KEYS + 1 + sum(len(each) + 1 for each in given)
    return keys * KEY_S + (1 + sum(1 for each in given if each)) * PREPARING_S


def answers(chance: random.Random | None) -> list[str]:
    """What a guard types: identity number, phone, from, to, temperature. None: the card reader gives the first."""
    number = "" if chance is None else _identity_number(chance)
    phone = f"138{0 if chance is None else chance.randrange(10**8):08d}"
    return [number, phone, "420100", _COMMUNITY, "36.5"]


def _identity_number(chance: random.Random) -> str:
    """One that nobody has: born in 1900, with its check character (GB 11643-1999)."""
    digits = f"1101011900{chance.randrange(10**7):07d}"
    rest = sum(int(digit) * pow(2, 17 - place, 11) for place, digit in enumerate(digits)) % 11
    return digits + "10X98765432"[rest]


def _forms(count: int, seed: int) -> list[list[str]]:
    chance = random.Random(seed)  # noqa: S311 (made-up people, not secrets)
    return [answers(chance) for _ in range(count)]


def _road(product: Product) -> str:
    headers = {"Authorization": f"Bearer {TokenIssuer(Home(product.home)).token('operator')}"}
    body = {"kind": "road", "name": "示例路口", "area": "440103"}
    answer = httpx.post(product.address("checkpoints") + "/v1/checkpoints", json=body, headers=headers, timeout=20)
    return str(answer.raise_for_status().json()["checkpoint_id"])


def _seconds(product: Product, place: str, by: str, forms: Sequence[Sequence[str]], *options: str) -> list[float]:
    """Of each form, from its last answer to the decision, which is the server's or the gate's."""
    command = [sys.executable, "-m", "guanka.main", "gate", "--json", "--forms", "--checkpoint", place, *options]
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env=product.environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as gate:
        assert gate.stdin is not None
        assert gate.stdout is not None
        found = []
        for given in forms:
            gate.stdin.write("".join(f"{each}\n" for each in (BEGINNING, *given[:-1])))
            gate.stdin.flush()
            time.sleep(0.01)
            began = time.perf_counter()
            gate.stdin.write(f"{given[-1]}\n")
            gate.stdin.flush()
            shown = json.loads(gate.stdout.readline())
            found.append(time.perf_counter() - began)
            if (shown.get("decision"), shown.get("by")) != ("pass", by):
                raise RuntimeError(f"a form was not taken: {shown}")
        gate.stdin.close()
    return found[1:]  # the first one waits for the gate to start


def _tell(figures: dict[str, float], checks: dict[str, bool], path: str) -> None:
    console, table = Console(highlight=False), Table("figure", "seconds", box=None)
    for name, value in figures.items():
        table.add_row(name, f"{value:.3f}")
    console.print(table)
    for name, is_kept in checks.items():
        console.print(f"[{'green' if is_kept else 'red'}]{name}[/]: {'kept' if is_kept else 'MISSED'}")
    console.print(f"report: {path}")


if __name__ == "__main__":
    sys.exit(main())
