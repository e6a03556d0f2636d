"""Requests whose transactions wait for each other: PostgreSQL ends one, and it is done again."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import sqlalchemy as sa
from fastapi import APIRouter, FastAPI
from fastapi.testclient import TestClient
from pydantic import BaseModel

from chassis.collisions import DoneAgain
from chassis.database import Database
from chassis.problems import install_problems

_ADD = sa.text("UPDATE bed SET patients = patients + 1 WHERE ward = :ward")
WARDS = ("east", "west")


class Admission(BaseModel):
    first: str


def test_of_two_requests_that_wait_for_each_other_both_are_done_and_each_once(fresh_database: str) -> None:
    database, meeting, begun = Database(fresh_database), threading.Barrier(2), []
    with database.transaction() as tx:
        tx.exec_driver_sql("CREATE TABLE bed (ward text PRIMARY KEY, patients integer)")
        tx.exec_driver_sql("INSERT INTO bed VALUES ('east', 0), ('west', 0)")
    router = APIRouter(route_class=DoneAgain)

    @router.post("/admissions")
    def admit(body: Admission) -> int:
        """The first two meet with a ward each in their hands, and want the other's."""
        begun.append(body.first)
        is_early = len(begun) <= 2
        with database.transaction() as tx:
            tx.execute(_ADD, {"ward": body.first})
            if is_early:
                meeting.wait(20)
            tx.execute(_ADD, {"ward": next(ward for ward in WARDS if ward != body.first)})
        return len(begun)

    with TestClient(_application(router)) as client, ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda ward: client.post("/admissions", json={"first": ward}), WARDS))
    assert [each.status_code for each in answers] == [200, 200]
    assert len(begun) == 3, "one of them was done again"
    with database.transaction() as tx:
        assert tx.exec_driver_sql("SELECT DISTINCT patients FROM bed").all() == [(2,)]
    database.close()


def test_what_meets_others_again_and_again_is_told_so_and_other_errors_are_not_tried_again(
    fresh_database: str,
) -> None:
    database, begun, router = Database(fresh_database), [], APIRouter(route_class=DoneAgain)

    @router.post("/raises/{sqlstate}")
    def fail(sqlstate: str) -> None:
        begun.append(sqlstate)
        with database.transaction() as tx:
            tx.exec_driver_sql(f"DO $$ BEGIN RAISE EXCEPTION 'met' USING ERRCODE = '{sqlstate}'; END $$")

    with TestClient(_application(router), raise_server_exceptions=False) as client:
        answers = {sqlstate: client.post(f"/raises/{sqlstate}") for sqlstate in ("40P01", "40001", "55P03", "23505")}
    assert {sqlstate: begun.count(sqlstate) for sqlstate in answers} == {"40P01": 4, "40001": 4, "55P03": 1, "23505": 1}
    assert [each.status_code for each in answers.values()] == [503, 503, 503, 500]
    database.close()


def _application(router: APIRouter) -> FastAPI:
    app = FastAPI()
    install_problems(app, {})
    app.include_router(router)
    return app
