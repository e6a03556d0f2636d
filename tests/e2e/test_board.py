"""The board after a crash: the process comes back with what codes has, and every look at it says the same."""

from __future__ import annotations

import httpx
import pytest

from guanka.board_proof import prove_board
from guanka.home import Home
from guanka.keys import TokenIssuer
from tests.e2e.outsider import Outsider, eventually
from tests.running import Product

pytestmark = pytest.mark.parametrize("product", ["local"], indirect=True, scope="package")


def is_same(product: Product) -> bool | None:
    token = TokenIssuer(Home(product.home)).token("service")
    codes, checkpoints = product.address("codes"), product.address("checkpoints")
    return prove_board(codes=codes, checkpoints=checkpoints, token=token).is_same


def test_an_api_killed_while_colours_change_comes_back_with_the_hash_of_codes_own_lists(product: Product) -> None:
    outside = Outsider(product)
    for _ in range(3):
        outside.healthy()
    killed = product.kill("checkpoints-api")
    people = [outside.healthy() for _ in range(3)]
    outside.declare(people[0], symptoms=["fatigue"])
    eventually(lambda: product.pid_of("checkpoints-api") != killed and _ready(product))
    eventually(lambda: is_same(product))
    board = httpx.get(f"{product.address('checkpoints')}/readyz").json()["checks"]["board"]
    assert board["ready"] is True
    assert board["detail"]["age_s"] < 30
    told = httpx.get(f"{product.address('checkpoints')}/metrics").text
    [line] = [line for line in told.splitlines() if line.startswith("board_hash")]
    again = httpx.get(f"{product.address('checkpoints')}/readyz").json()["checks"]["board"]["detail"]["hash"]
    assert int(float(line.split()[-1])) in {int(each[:12], 16) for each in (board["detail"]["hash"], again)}


def _ready(product: Product) -> bool:
    try:
        return httpx.get(f"{product.address('checkpoints')}/readyz", timeout=2).status_code == 200
    except httpx.HTTPError:
        return False
