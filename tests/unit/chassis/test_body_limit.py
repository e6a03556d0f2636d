"""A body over the limit: the problem document that every other refusal is, whether its length was announced or not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import pytest
from fastapi import Body, FastAPI
from fastapi.testclient import TestClient

from chassis.body_limit import BodyLimit
from chassis.problems import MEDIA_TYPE, install_problems

LIMIT = 1024


@pytest.fixture
def client() -> TestClient:
    app = FastAPI()
    app.add_middleware(BodyLimit, bytes_max=LIMIT)
    install_problems(app, {})

    @app.post("/texts")
    def take(text: Annotated[str, Body()]) -> int:
        return len(text)

    return TestClient(app)


def _written(characters: int) -> bytes:
    return b'"' + b"x" * (characters - 2) + b'"'


def _in_parts(body: bytes) -> Iterator[bytes]:
    yield from (body[start : start + 100] for start in range(0, len(body), 100))


@pytest.mark.parametrize("is_announced", [True, False])
def test_a_body_at_the_limit_is_taken_and_one_byte_more_is_a_problem(client: TestClient, is_announced: bool) -> None:
    for size, status in ((LIMIT, 200), (LIMIT + 1, 413)):
        body = _written(size)
        typed = {"Content-Type": "application/json"}
        answer = client.post("/texts", content=body if is_announced else _in_parts(body), headers=typed)
        assert answer.status_code == status
    assert answer.headers["content-type"] == MEDIA_TYPE
    assert answer.json()["code"] == "content_too_large"
