"""The story of the README on each event log: a morning, a case, and the gates that close in time."""

from __future__ import annotations

import json
from pathlib import Path

from tests.running import ROOT, Product


def test_a_morning_is_played_and_every_check_of_the_demo_holds(product: Product) -> None:
    done = product.guanka("demo", "--people", "400")
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads((Path(ROOT) / "build" / "reports" / "demo.json").read_text())
    assert report["name"] == "demo"
    assert all(report["checks"].values()), report["checks"]
    assert report["figures"]["scans_sent"] == report["figures"]["scans_stored"] == report["figures"]["scans_in_log"]
    assert report["figures"]["contacts"] > 0
    assert "ContactsTraced" in done.stdout
    assert "EvidenceFound" in done.stdout


def test_the_doctor_finds_nothing_wrong_after_it(product: Product) -> None:
    done = product.guanka("doctor")
    assert done.returncode == 0, done.stdout


def test_no_message_was_put_aside(product: Product) -> None:
    done = product.guanka("dead-letters", "list")
    assert done.returncode == 0, done.stdout


def test_the_journal_is_whole(product: Product) -> None:
    done = product.guanka("ledger", "verify")
    assert done.returncode == 0, done.stdout
    assert json.loads(done.stdout)["whole"] is True


def test_no_name_or_document_reaches_the_log_of_events_or_of_any_process(product: Product) -> None:
    tail = product.guanka("tail", "--from-start", "--no-follow")
    assert tail.returncode == 0, tail.stderr
    assert "ScanRecorded" in tail.stdout
    logs = "".join(path.read_text(errors="replace") for path in (product.home / "logs").glob("*.log"))
    for text in (tail.stdout, logs):
        assert "示例市民" not in text
        assert "DEMO" not in text


def test_a_second_start_says_that_one_is_running(product: Product) -> None:
    done = product.guanka("up")
    assert done.returncode == 1
    assert "running here already" in done.stdout


def test_a_taken_port_is_named(product: Product, tmp_path: Path) -> None:
    other = Product(tmp_path / "other")
    other.port_base = product.port_base
    done = other.guanka("up")
    assert done.returncode == 1
    assert f"port {product.port_base}" in done.stdout
    assert "PORT_BASE=" in done.stdout
