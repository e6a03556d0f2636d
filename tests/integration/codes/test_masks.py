"""What a guard's comparison shows of a person, to whom, and that every look is logged."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest

from services.codes.domain.masks import document_tail, masked_name
from tests.integration.codes.city import rows

NAMES = [
    ("张三", "张*"),
    ("张小三", "张*三"),
    ("欧阳小明", "欧**明"),
    ("张 三", "张*"),
    ("张　三", "张*"),
    ("张 小三", "张*三"),
    ("王", "王"),
    ("欧阳娜娜", "欧**娜"),
    ("J Smith", "J S***h"),
    ("Li", "L*"),
    ("Maria da Silva", "M***a d* S***a"),
    ("Jose\u0301", "J**é"),
    ("Nguyễn Thị Ánh", "N****n T*ị Á*h"),
    ("محمد علي", "م**د ع*ي"),
    ("राम कुमार", "रा* कु*र"),
    ("李\U000e0100明", "李\U000e0100*"),
    ("\u202emoc.liaM", "m******M"),
    ("\u200b张三\u2069", "张*"),
    ("Anna Smith", "A**a S***h"),
    ("买买提·吐尔逊", "买*****逊"),
]


@pytest.mark.parametrize(("name", "masked"), NAMES)
def test_a_name_is_masked(name, masked):
    assert masked_name(name) == masked


@pytest.mark.parametrize(("number", "tail"), [("440103198001010011", "0011"), ("E1234567", "4567"), ("ABC", "C")])
def test_of_a_document_only_the_end_is_shown(number, tail):
    assert document_tail(number) == tail


def test_masks_are_told_to_a_service_by_person_or_by_entry_and_every_look_is_logged(city, database):
    person = city.enrol("440103198001010011", name="张小三")
    [(number, idx)] = rows(database, "SELECT list, idx FROM person WHERE person_ref = :p", p=person)
    people = [{"person_ref": str(person)}, {"list": number, "idx": idx}, {"person_ref": str(uuid4())}]
    body = {"people": people, "asked_by": "gate-7"}
    answer = city.client.post("/v1/masks", json=body, headers=city.issuer.headers("service"))
    assert answer.status_code == 200, answer.text
    mask = {"name_masked": "张*三", "document_tail": "0011"}
    assert answer.json() == {"masks": [mask, mask, None]}
    logged = rows(database, "SELECT subject, person_ref, what, route FROM access_log WHERE what = 'mask'")
    assert [tuple(each) for each in logged] == [("test-service for gate-7", UUID(str(person)), "mask", "/v1/masks")]


def test_who_may_not_ask_and_what_is_no_question(city):
    person = {"person_ref": str(uuid4())}
    for role in ("operator", "gate", "citizen", "authority"):
        answer = city.client.post(
            "/v1/masks", json={"people": [person], "asked_by": "x"}, headers=city.issuer.headers(role)
        )
        assert answer.status_code == 403
    bad = [
        {"people": [], "asked_by": "x"},
        {"people": [person] * 1001, "asked_by": "x"},
        {"people": [person]},
        {"people": [{}], "asked_by": "x"},
        {"people": [{"list": 1}], "asked_by": "x"},
        {"people": [person | {"list": 1, "idx": 1}], "asked_by": "x"},
        {"people": [{"person_ref": "1"}], "asked_by": "x"},
        {"people": [person], "asked_by": "x", "name": "all"},
    ]
    for body in bad:
        answer = city.client.post("/v1/masks", json=body, headers=city.issuer.headers("service"))
        assert answer.status_code == 422, body
