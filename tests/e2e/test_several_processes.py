"""Three api processes of checkpoints on one machine: they share the database and the log, and nothing else."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle
from typing import Any

import httpx
import pytest

from guanka.board_proof import prove_board
from guanka.home import Home
from guanka.installation import service_environment
from guanka.keys import TokenIssuer
from guanka.ports import free_ports
from tests.e2e.outsider import DISTRICT, Outsider, eventually, new_scan
from tests.running import ROOT, Product

pytestmark = pytest.mark.parametrize("product", ["local"], indirect=True, scope="package")


class Another:
    """One more api process, started by the service's own command with its own settings, on a port of its own."""

    def __init__(self, product: Product, port: int) -> None:
        self._environment = service_environment(Home(product.home), "checkpoints") | {"HTTP_PORT": str(port)}
        self.address = f"http://127.0.0.1:{port}"
        self.start()

    def start(self) -> None:
        command = [sys.executable, "-m", "services.checkpoints.main", "api"]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self._process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, **self._environment}, **quiet)

    def is_ready(self) -> bool:
        assert self._process.poll() is None
        try:
            return httpx.get(f"{self.address}/readyz", timeout=5).status_code == 200
        except httpx.HTTPError:
            return False

    def end(self, number: signal.Signals) -> int:
        self._process.send_signal(number)
        return self._process.wait(30)


@pytest.fixture(scope="module")
def outside(product: Product) -> Outsider:
    return Outsider(product)


@pytest.fixture(scope="module")
def others(product: Product) -> Iterator[list[Another]]:
    started = [Another(product, port) for port in free_ports(2)]
    try:
        eventually(lambda: all(each.is_ready() for each in started), within_s=60)
        yield started
    finally:
        for each in started:
            each.end(signal.SIGKILL)


def test_each_process_answers_the_same_and_one_that_dies_leaves_the_others_alone(
    product: Product, outside: Outsider, others: list[Another]
) -> None:
    addresses = [product.address("checkpoints"), *(each.address for each in others)]

    def post(address: str, path: str, token: str, body: Any) -> httpx.Response:
        return httpx.post(address + path, json=body, headers={"Authorization": f"Bearer {token}"}, timeout=30)

    place = str(uuid.uuid4())
    body = {"checkpoint_id": place, "kind": "mall", "name": "东门", "area": DISTRICT}
    operator, gate = outside.token("operator"), outside.gate(place)
    with ThreadPoolExecutor(12) as pool:
        registered = list(pool.map(lambda to: post(to, "/v1/checkpoints", operator, body), addresses * 4))
        assert sorted(each.status_code for each in registered) == [200] * 11 + [201]

        person = outside.healthy()
        for address in addresses:
            shown = {"pass": outside.pass_of(person)}
            eventually(
                lambda to=address, credential=shown: (
                    post(to, "/v1/scans", gate, new_scan(place, credential)).json()["decision"] == "pass"
                )
            )

        scans = [new_scan(place, {"pass": outside.pass_of(person)}) for _ in range(40)]
        sent = [(address, scan) for scan in scans for address in addresses]
        answers = list(pool.map(lambda each: post(each[0], "/v1/scans", gate, each[1]), sent))
    assert {each.status_code for each in answers} == {200}
    for number in range(len(scans)):
        assert len({each.content for each in answers[3 * number : 3 * number + 3]}) == 1
    kept = [each["scan_id"] for each in outside.scans_of(place)]
    assert len(kept) == len(set(kept))
    assert {each["scan_id"] for each in scans} <= set(kept)

    outside.declare(person, contact_with_case=True)
    for address in addresses:
        shown = {"pass": outside.pass_of(person)}
        eventually(
            lambda to=address, credential=shown: (
                post(to, "/v1/scans", gate, new_scan(place, credential)).json()["decision"] == "stop"
            )
        )
    eventually(lambda: all(_is_same(product, address) for address in addresses))

    others[0].end(signal.SIGKILL)
    alive = cycle((addresses[0], addresses[2]))
    assert {post(next(alive), "/v1/scans", gate, scans[n]).status_code for n in range(10)} == {200}
    outside.healthy()
    others[0].start()
    eventually(others[0].is_ready, within_s=60)
    eventually(lambda: _is_same(product, others[0].address))
    again = post(others[0].address, "/v1/scans", gate, scans[0])
    assert again.content == answers[0].content


def _is_same(product: Product, address: str) -> bool:
    token = TokenIssuer(Home(product.home)).token("service")
    proof = prove_board(codes=product.address("codes"), checkpoints=address, token=token)
    return proof.is_same is True
