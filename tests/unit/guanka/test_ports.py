"""Ports are chosen once, by whichever process."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from guanka import ports
from guanka.ports import free_ports

CHOOSE = "from guanka.ports import free_ports; print(*[p for _ in range(40) for p in free_ports(3)])"


@pytest.fixture
def narrow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(ports, "_LAST", ports._FIRST + 30)


def test_what_was_chosen_is_not_chosen_again_before_somebody_listens_there(narrow: None) -> None:
    chosen = [free_ports(2)[0] for _ in range(3)]
    assert sorted(chosen) == [20_000, 20_010, 20_020]
    with pytest.raises(OSError, match="no 2 free ports"):
        free_ports(2)


def test_after_a_while_it_can_be_chosen_again(narrow: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "_CHOSEN_S", 0.0)
    assert len([free_ports(2) for _ in range(10)]) == 10


def test_two_processes_choose_different_ones(tmp_path: Path) -> None:
    started = [
        subprocess.Popen(
            [sys.executable, "-c", CHOOSE], stdout=subprocess.PIPE, text=True, env={"TMPDIR": str(tmp_path)}
        )
        for _ in range(3)
    ]
    told = [process.communicate()[0].split() for process in started]
    assert [len(each) for each in told] == [120] * 3
    assert len({port for each in told for port in each}) == 360


def test_a_file_that_is_broken_is_written_anew(narrow: None, tmp_path: Path) -> None:
    free_ports(1)
    [file] = tmp_path.glob("guanka-ports-*.json")
    file.write_text("{")
    assert free_ports(1)[0] % 10 == 0
