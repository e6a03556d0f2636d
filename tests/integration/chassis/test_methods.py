"""HEAD is answered wherever GET is, and a refusal names all methods that an address takes."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import httpx
import pytest
from fastapi import FastAPI
from starlette.responses import StreamingResponse

from chassis.app import server
from chassis.methods import HeadAsGet
from chassis.problems import install_problems
from tests.serving import serving


@pytest.fixture
def client() -> Iterator[httpx.Client]:
    app = FastAPI()
    app.add_middleware(HeadAsGet)
    install_problems(app, {})

    @app.get("/things/{name}")
    def read(name: str) -> str:
        return name

    @app.put("/things/{name}")
    def write(name: str) -> str:
        return name

    @app.get("/stream")
    async def stream() -> StreamingResponse:
        async def endless() -> object:
            while True:
                yield b"data: x\n\n"

        return StreamingResponse(endless(), media_type="text/event-stream")  # type: ignore[arg-type]

    @app.post("/orders")
    def order() -> str:
        return "ordered"

    with (
        serving(server(app, host="127.0.0.1", port=0)) as (host, port),
        httpx.Client(base_url=f"http://{host}:{port}", timeout=20) as opened,
    ):
        yield opened


def test_head_is_the_head_of_get_and_the_connection_stays_open(client: httpx.Client) -> None:
    got, headed = client.get("/things/a"), client.head("/things/a")
    assert (headed.status_code, headed.content) == (200, b"")
    assert {**headed.headers, "date": ""} == {**got.headers, "date": ""}
    assert client.get("/things/b").json() == "b"


def test_head_of_what_is_not_there_is_404_and_of_an_order_405(client: httpx.Client) -> None:
    assert client.head("/nothing").status_code == 404
    refused = client.head("/orders")
    assert (refused.status_code, refused.headers["allow"]) == (405, "POST")


def test_head_of_a_stream_without_end_ends(client: httpx.Client) -> None:
    headed = client.head("/stream")
    assert (headed.status_code, headed.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
    assert client.get("/things/a").status_code == 200


def test_a_refused_method_is_told_all_that_the_address_takes(client: httpx.Client) -> None:
    refused = client.delete("/things/a")
    assert (refused.status_code, refused.headers["allow"]) == (405, "GET, HEAD, PUT")
    assert refused.json()["code"] == "method_not_allowed"


def test_who_sends_a_method_that_nobody_knows_is_told_those_that_there_are(client: httpx.Client) -> None:
    address = (client.base_url.host, client.base_url.port or 0)
    with socket.create_connection(address, timeout=20) as caller:
        caller.sendall(b"FOO /things/a HTTP/1.1\r\nHost: test\r\n\r\n")
        answer = b"".join(iter(lambda: caller.recv(65_536), b""))
    assert answer.startswith(b"HTTP/1.1 400")
    assert b"the method is none of GET, HEAD" in answer
