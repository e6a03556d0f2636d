"""The state directory: one product at a time, files that are whole, keys that stay."""

from __future__ import annotations

import socket
from pathlib import Path

import jwt
import pytest

from guanka.home import AlreadyRunning, Home, NotRunning, write_whole
from guanka.keys import TokenIssuer, make_keys
from guanka.report import percentile
from guanka.stack import CannotStart, check_ports
from tests.running import free_port_base


def test_a_home_is_held_by_one_process_which_is_named(tmp_path: Path) -> None:
    home = Home(tmp_path)
    lock = home.lock()
    with pytest.raises(AlreadyRunning, match=r"process \d+"):
        home.lock()
    lock.close()
    home.lock().close()


def test_asking_a_home_that_is_not_running_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(NotRunning, match="make run"):
        Home(tmp_path).running()


def test_keys_are_made_once_and_for_the_owner_only(tmp_path: Path) -> None:
    home = Home(tmp_path)
    make_keys(home)
    before = {path.name: path.read_text() for path in home.keys.iterdir()}
    make_keys(home)
    assert {path.name: path.read_text() for path in home.keys.iterdir()} == before
    assert all(path.stat().st_mode & 0o077 == 0 for path in home.keys.iterdir())


def test_a_token_carries_what_it_was_asked_for(tmp_path: Path) -> None:
    home = Home(tmp_path)
    make_keys(home)
    token = TokenIssuer(home).token("gate", area="440103", checkpoints=["a"], person="b")
    claims = jwt.decode(token, options={"verify_signature": False})
    assert claims["roles"] == ["gate"]
    assert (claims["area"], claims["checkpoints"], claims["person_ref"]) == ("440103", ["a"], "b")


def test_a_taken_port_is_named_with_the_way_out() -> None:
    base = free_port_base()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", base + 2))
        taken.listen()
        with pytest.raises(CannotStart, match=f"port {base + 2} .for checkpoints. is taken by .*PORT_BASE="):
            check_ports(base)


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    write_whole(tmp_path / "a", "one", mode=0o600)
    write_whole(tmp_path / "a", "two", mode=0o600)
    assert (tmp_path / "a").read_text() == "two"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_percentile_is_a_measured_value() -> None:
    values = [float(n) for n in range(1, 101)]
    assert percentile(values, 0.5) == 50
    assert percentile(values, 0.99) == 99
    assert percentile([3.0], 0.99) == 3
    assert percentile([], 0.5) == 0
