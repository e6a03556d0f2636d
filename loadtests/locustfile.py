"""Gates that scan: Locust users, each bound to one metro screening point, chosen by the weights of the reference data.

`loadtests/run.py` prepares the passes and names them in `GUANKA_LOAD_FILE`; each process leaves a journal of what was
acknowledged beside that file.
"""

from __future__ import annotations

import json
import os
import random
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from locust import FastHttpUser, constant_throughput, events, task

from chassis.ids import uuid7

_FILE = Path(os.environ["GUANKA_LOAD_FILE"])
_LOAD: dict[str, Any] = json.loads(_FILE.read_text())
_acknowledged: list[str] = []


class Gate(FastHttpUser):
    """A guard's scanner: one scan a second, of whoever comes next."""

    host = _LOAD["address"]
    wait_time = constant_throughput(1)

    def on_start(self) -> None:
        gates = _LOAD["gates"]
        self.gate = random.choices(gates, weights=[gate["weight"] for gate in gates])[0]  # noqa: S311 (a load, no secret)

    @task
    def scan(self) -> None:
        now = datetime.now(UTC)
        body = {
            "scan_id": str(uuid7(now)),
            "checkpoint_id": self.gate["checkpoint_id"],
            "credential": {"pass": random.choice(_LOAD["passes"])},  # noqa: S311
            "direction": "in",
            "scanned_at": now.isoformat(),
        }
        headers = {"Authorization": f"Bearer {self.gate['token']}"}
        with self.client.post("/v1/scans", json=body, headers=headers, catch_response=True) as answer:
            if answer.status_code == 200:
                _acknowledged.append(body["scan_id"])
            else:
                answer.failure(f"status {answer.status_code}")


@events.quitting.add_listener
def keep_journal(**_: Any) -> None:
    _FILE.with_name(f"journal-{os.getpid()}.txt").write_text("\n".join(_acknowledged))
