"""A body over the limit: the problem document that every other refusal is, whether its length was announced or not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import pytest
from fastapi import Body, FastAPI
from fastapi.testclient import TestClient

from chassis.body_limit import BodyLimit
from chassis.held_bodies import SMALL_BYTES, HeldBodies
from chassis.problems import MEDIA_TYPE, Problem, install_problems

LIMIT = 4 * SMALL_BYTES


def caller_of(authorization: str | None) -> str:
    if authorization is None:
        raise Problem(401, "token_missing", "Send a token.")
    return authorization


@pytest.fixture
def held() -> HeldBodies:
    return HeldBodies(8 * LIMIT)


@pytest.fixture
def client(held: HeldBodies) -> TestClient:
    app = FastAPI()
    app.add_middleware(BodyLimit, bytes_max=LIMIT, held=held, caller_of=caller_of)
    install_problems(app, {})

    @app.post("/texts")
    def take(text: Annotated[str, Body()]) -> int:
        return len(text)

    return TestClient(app)


def _written(characters: int) -> bytes:
    return b'"' + b"x" * (characters - 2) + b'"'


def _in_parts(body: bytes) -> Iterator[bytes]:
    yield from (body[start : start + 10_000] for start in range(0, len(body), 10_000))


@pytest.mark.parametrize("is_announced", [True, False])
def test_a_body_at_the_limit_is_taken_and_one_byte_more_is_a_problem(client: TestClient, is_announced: bool) -> None:
    for size, status in ((LIMIT, 200), (LIMIT + 1, 413)):
        body = _written(size)
        typed = {"Content-Type": "application/json", "Authorization": "somebody"}
        answer = client.post("/texts", content=body if is_announced else _in_parts(body), headers=typed)
        assert answer.status_code == status
    assert answer.headers["content-type"] == MEDIA_TYPE
    assert answer.json()["code"] == "content_too_large"


@pytest.mark.parametrize("is_announced", [True, False])
def test_a_large_body_without_a_good_token_is_not_read(client: TestClient, is_announced: bool) -> None:
    """Nobody fills the memory of a process who may not send anything."""
    read: list[int] = []

    def parts() -> Iterator[bytes]:
        for part in _in_parts(_written(LIMIT)):
            read.append(len(part))
            yield part

    headers = {"Content-Type": "application/json"} | ({"Content-Length": str(LIMIT)} if is_announced else {})
    answer = client.post("/texts", content=parts(), headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (401, "token_missing")


def test_a_small_body_is_read_whoever_sends_it(client: TestClient) -> None:
    """What it needs is the route's to say."""
    answer = client.post("/texts", content=_written(SMALL_BYTES), headers={"Content-Type": "application/json"})
    assert answer.status_code == 200


def test_where_there_is_no_room_a_large_body_is_refused_and_room_is_given_back(
    client: TestClient, held: HeldBodies
) -> None:
    headers = {"Content-Type": "application/json", "Authorization": "somebody"}
    with held.hold("others", 7 * LIMIT + 1):
        answer = client.post("/texts", content=_written(LIMIT), headers=headers)
        assert (answer.status_code, answer.json()["code"], answer.headers["retry-after"]) == (503, "bodies_full", "5")
    for _ in range(10):
        assert client.post("/texts", content=_written(LIMIT), headers=headers).status_code == 200


def test_one_caller_has_a_quarter_of_the_room_and_others_have_the_rest() -> None:
    held = HeldBodies(1000)
    with held.hold("one", 200):
        with pytest.raises(Problem) as refused, held.hold("one", 51):
            raise AssertionError("not refused")
        assert refused.value.status == 503
        with held.hold("one", 50), held.hold("two", 400):
            pass
    with held.hold("one", 900):
        pass
