"""What the relay may forget."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from chassis.event_log import Record
from chassis.relay import finished_records


def record(key: str, topic: str = "ledger.events.v1") -> Record:
    return Record(topic, key, b"", ())


def test_everything_acknowledged_is_forgotten() -> None:
    assert finished_records([record("a"), record("b")], [True, True]) == [True, True]


def test_of_a_key_nothing_is_forgotten_from_its_first_unacknowledged_record_on() -> None:
    records = [record("a"), record("b"), record("a"), record("b"), record("a")]
    assert finished_records(records, [True, True, False, True, True]) == [True, True, False, True, False]


def test_the_same_key_in_another_topic_is_another_key() -> None:
    assert finished_records([record("a"), record("a", "codes.events.v1")], [False, True]) == [False, True]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans())))
def test_what_is_forgotten_of_a_key_is_acknowledged_and_a_prefix(sent: list[tuple[str, bool]]) -> None:
    finished = finished_records([record(key) for key, _ in sent], [acknowledged for _, acknowledged in sent])
    for key in "abc":
        of_key = [(is_finished, sent[n][1]) for n, is_finished in enumerate(finished) if sent[n][0] == key]
        assert all(acknowledged for is_finished, acknowledged in of_key if is_finished)
        assert [is_finished for is_finished, _ in of_key] == sorted((f for f, _ in of_key), reverse=True)
