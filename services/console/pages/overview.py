"""The operators' overview: the template, filled from the same JSON that the live stream sends."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import orjson
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from services.console.domain.figures import Snapshot
from services.console.pages.formats import NOTHING, formats, written

_TEMPLATES = Path(__file__).parent / "templates"


class Overview:
    """`city` is the city's name in Chinese and English, `vendor` the folder of the browser libraries."""

    def __init__(self, zone: ZoneInfo, *, city: tuple[str, str], vendor: Path) -> None:
        environment = Environment(
            loader=FileSystemLoader(_TEMPLATES),
            autoescape=select_autoescape(),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._formats = formats(zone)
        environment.globals |= {"city": city, "time_zone": zone.key, "write": self._write, "nothing": NOTHING}
        self._template = environment.get_template("overview.html")
        self._chart_library = vendor / "uplot" / "uPlot.esm.js"

    def render(self, snapshot: Snapshot | None) -> str:
        values = {} if snapshot is None else orjson.loads(orjson.dumps(snapshot))
        return self._template.render(snapshot=values, has_chart=self._chart_library.is_file())

    def _write(self, values: Any, path: str, kind: str) -> str:
        return written(values, path, self._formats[kind])
