"""What every reader of Kafka's commits makes of them, whatever was written."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.bus import kafka_state
from adapters.bus.codec import dead_letter
from adapters.bus.kafka_records import (
    Claimed,
    CommitRecord,
    Committed,
    Erased,
    GivenBack,
    LetterTaken,
    Released,
    Requested,
    Settled,
    Taken,
    decode_record,
    encode_record,
)
from adapters.bus.kafka_state import LETTERS_KEPT, PartitionState, decode_checkpoint, encode_checkpoint
from adapters.bus.port import Command
from tests.adapters.bus.steps import fact, session

SESSION = session()
REQUEST = fact(SESSION, 1, "voice.rag.request")
LETTER = dead_letter(REQUEST, "cannot be answered", 3, 0.0)
small = st.integers(0, 4)


def commit(epoch: int, prev: int, upto: int, snapshots: dict[str, bytes] | None = None, requests: int = 1) -> Committed:
    return Committed(
        id="c", epoch=epoch, prev=prev, upto=upto, snapshots=snapshots or {}, tasks=[("rag", REQUEST)] * requests,
        commands=[("g1", Command(session_id=SESSION))], journal=[b"{}"],
    )  # fmt: skip


def claims(after: int, epoch: int) -> Claimed:
    return Claimed(id="b", after=after, epoch=epoch, owner="one")


RECORDS: st.SearchStrategy[CommitRecord] = st.one_of(
    st.builds(claims, small, small),
    st.builds(Released, id=st.just("r"), epoch=small),
    st.builds(commit, small, small, small),
    st.builds(Taken, id=st.just("t"), task=st.tuples(small, st.just(0)), attempt=small, worker=st.just("w")),
    st.builds(GivenBack, id=st.just("g"), task=st.tuples(small, st.just(0)), attempt=small, delay_s=st.just(0.0)),
    st.builds(
        Settled, id=st.just("s"), task=st.tuples(small, st.just(0)), letter=st.one_of(st.none(), st.just(LETTER))
    ),
    st.builds(Requested, id=st.just("q"), kind=st.just("tts"), envelope=st.just(REQUEST), keep_s=st.just(60.0)),
    st.builds(
        LetterTaken,
        id=st.just("l"),
        event_id=st.just(LETTER.event_id),
        kind=st.just("rag"),
        request=st.one_of(st.none(), st.just(REQUEST)),
    ),
    st.builds(Erased, id=st.just("e"), session_id=st.just(SESSION), events_before=small),
)
WRITTEN = st.lists(RECORDS, max_size=30)


def folded(records: list[CommitRecord]) -> PartitionState:
    state = PartitionState()
    for offset, record in enumerate(records):
        state.fold(offset, record, 0.0)
    return state


@given(WRITTEN)
def test_commits_that_count_follow_one_another_in_growing_epochs(records: list[CommitRecord]) -> None:
    state, stands, epoch = PartitionState(), 0, 0
    for offset, record in enumerate(records):
        verdict = state.fold(offset, record, 0.0)
        assert state.epoch >= epoch
        epoch = state.epoch
        if isinstance(record, Committed) and verdict == "done":
            assert (record.prev, record.epoch) == (stands, epoch)
            stands = record.upto
        elif isinstance(record, Committed):
            assert offset in state.void
        assert state.committed == stands


@given(WRITTEN)
def test_each_attempt_at_a_request_is_one_workers(records: list[CommitRecord]) -> None:
    state = PartitionState()
    served: set[tuple[tuple[int, int], int]] = set()
    for offset, record in enumerate(records):
        if isinstance(record, Taken) and state.fold(offset, record, 0.0) == "done":
            assert (record.task, record.attempt) not in served
            served.add((record.task, record.attempt))
        elif not isinstance(record, Taken):
            state.fold(offset, record, 0.0)


@given(WRITTEN, st.integers(0, 30))
def test_a_reader_that_begins_at_a_checkpoint_comes_to_the_same(records: list[CommitRecord], at: int) -> None:
    late = decode_checkpoint(encode_checkpoint(folded(records[:at])), 0.0)
    for offset, record in list(enumerate(records))[at:]:
        late.fold(offset, decode_record(encode_record(record)), 0.0)
    assert late == folded(records)


def test_a_commit_written_twice_happens_once() -> None:
    state = folded([claims(0, 1), commit(1, 0, 3, {SESSION: b"a"}), commit(1, 0, 3, {SESSION: b"b"})])
    assert (state.committed, state.snapshots, len(state.tasks)) == (3, {SESSION: b"a"}, 1)


def test_a_commit_under_an_epoch_that_is_over_does_not_happen() -> None:
    state = folded([claims(0, 1), claims(1, 2), commit(1, 0, 3, {SESSION: b"zombie"})])
    assert (state.committed, state.snapshots, state.tasks) == (0, {}, {})


def test_of_two_owners_that_claim_at_once_the_first_in_the_log_has_it() -> None:
    state = folded([claims(0, 5), claims(0, 6)])
    assert state.epoch == 5


def test_an_erased_session_leaves_no_state_and_no_request() -> None:
    state = folded([claims(0, 1), commit(1, 0, 3, {SESSION: b"a"}), Erased(id="", session_id=SESSION, events_before=3)])
    assert (state.snapshots, state.tasks, state.letters) == ({}, {}, {})
    hides: Callable[..., bool] = state.hides
    assert hides(SESSION, fact=2)
    assert not hides(SESSION, fact=3)
    assert hides(SESSION, commit=1)
    assert not hides(session(), fact=0)


def test_a_request_is_put_aside_by_the_first_who_settles_it_and_the_letter_is_taken_once() -> None:
    records: list[CommitRecord] = [claims(0, 1), commit(1, 0, 3), Settled(id="", task=(1, 0))]
    assert folded([*records, Settled(id="", task=(1, 0), letter=LETTER)]).letters == {}
    records[2] = Settled(id="", task=(1, 0), letter=LETTER)
    again = LetterTaken(id="", event_id=LETTER.event_id, kind="rag", request=REQUEST)
    state = folded([*records, again])
    assert (state.letters, list(state.tasks)) == ({}, [(3, 0)])
    assert (state.tasks[(3, 0)].envelope, state.tasks[(3, 0)].attempts) == (REQUEST, 0)
    assert list(folded([*records, again, again]).tasks) == [(3, 0)]


def test_of_too_many_dead_letters_the_oldest_go() -> None:
    state, kept = PartitionState(), LETTERS_KEPT
    state.fold(0, claims(0, 1), 0.0)
    state.fold(1, commit(1, 0, 3, requests=kept + 2), 0.0)
    letters = [dead_letter(fact(SESSION, number), "no", 3, 0.0) for number in range(kept + 2)]
    for number, letter in enumerate(letters):
        state.fold(2 + number, Settled(id="", task=(1, number), letter=letter), 0.0)
    assert list(state.letters) == [letter.event_id for letter in letters[2:]]


def test_what_led_to_a_fact_is_looked_for_not_far_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kafka_state, "MARK_FACTS", 10)
    state = PartitionState()
    state.fold(0, claims(0, 1), 0.0)
    for number in range(30):
        state.fold(1 + number, commit(1, 4 * number, 4 * number + 4), 0.0)
    for fact_number in range(1, 121):
        committed_at = 1 + (fact_number - 1) // 4
        assert committed_at - 5 <= state.commit_of(fact_number) <= committed_at


def test_a_large_record_is_compressed_and_what_is_no_record_is_void() -> None:
    large = commit(1, 0, 1, {SESSION: b"x" * 100_000})
    assert len(encode_record(large)) < 5_000
    assert decode_record(encode_record(large)) == large
    state = PartitionState()
    for offset, data in enumerate((b"", b"{", b"x", b"\x78\x01oops", b"\x81\xa4type\xa5claim")):
        assert decode_record(data) is None
        state.fold(offset, None, 0.0)
    assert state.next == 5
