"""What `loadtests/run.py` tells the load processes: one JSON file, named by `GUANKA_LOAD_FILE`."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlsplit

import orjson

from loadtests.shapes import Segment, Shape

PLAN_VARIABLE, PART_VARIABLE = "GUANKA_LOAD_FILE", "GUANKA_LOAD_PART"

Place = tuple[str, int]
"""(host, port)."""


@dataclass(frozen=True, slots=True)
class Plan:
    """`gates` and `stations` are bearer tokens by checkpoint and by station; `riders` (person_ref, bearer token)."""

    shape: Shape
    seed: int
    midnight_s: float
    folder: Path
    checkpoints: Place
    codes: Place
    signing_keys: Path
    status_list_uri: str
    gates: dict[str, str]
    stations: dict[str, str]
    riders: list[tuple[str, str]]

    @property
    def people(self) -> Path:
        return self.folder / "people.bin"

    def write(self, path: Path) -> None:
        path.write_bytes(orjson.dumps(asdict(self), default=str))


def read_plan(path: Path) -> Plan:
    document = orjson.loads(path.read_bytes())
    shape = document.pop("shape")
    shape["segments"] = tuple(Segment(**each) for each in shape["segments"])
    shape["settings"] = tuple((name, value) for name, value in shape["settings"])
    for name in ("folder", "signing_keys"):
        document[name] = Path(document[name])
    for name in ("checkpoints", "codes"):
        document[name] = tuple(document[name])
    document["riders"] = [(ref, token) for ref, token in document["riders"]]
    return Plan(shape=Shape(**shape), **document)


def part_of_this_process() -> tuple[int, int]:
    """(which, of how many) processes share the load; a process alone is (0, 1)."""
    which, _, parts = os.environ.get(PART_VARIABLE, "0/1").partition("/")
    return int(which), int(parts)


def place_of_address(address: str) -> Place:
    parts = urlsplit(address)
    assert parts.hostname
    assert parts.port
    return parts.hostname, parts.port
