"""The foreign generator: what is written for it, and what its results say."""

from __future__ import annotations

import base64
import json
import shutil
from pathlib import Path

import pytest

from loadtests import vegeta
from loadtests.vegeta import Sent, Target, VegetaMissing, p99_ms, per_second, write_targets


def test_a_target_is_a_line_with_the_gates_token_and_the_body(tmp_path: Path) -> None:
    targets = iter([Target(b'{"scan_id": 1}', "Bearer a"), Target(b"{}", "Bearer b")])
    assert write_targets(tmp_path / "targets.json", "http://127.0.0.1:1/v1/scans", targets) == 2
    first, second = map(json.loads, (tmp_path / "targets.json").read_text().splitlines())
    assert (first["method"], first["url"]) == ("POST", "http://127.0.0.1:1/v1/scans")
    assert base64.b64decode(first["body"]) == b'{"scan_id": 1}'
    assert [each["header"]["Authorization"] for each in (first, second)] == [["Bearer a"], ["Bearer b"]]


def test_a_second_counts_what_was_answered_in_it_and_no_refusal() -> None:
    sent = [Sent(0.1, 10, 200), Sent(0.95, 100, 200), Sent(1.5, 10, 503), Sent(1.9, 5, 200)]
    assert per_second(sent) == [1.0, 2.0]
    assert per_second(sent, window_s=2) == [1.5]


def test_the_percentile_is_of_what_was_taken_and_due_in_the_time() -> None:
    sent = [Sent(0.5, 900, 200), Sent(1.5, 20, 200), Sent(1.6, 4000, 503)]
    assert p99_ms(sent) == 900
    assert p99_ms(sent, 1.0) == 20
    assert p99_ms([]) == 0


def test_without_go_it_is_said_what_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vegeta, "_BUILT", tmp_path)
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    with pytest.raises(VegetaMissing, match="Go is not installed"):
        vegeta.binary()
