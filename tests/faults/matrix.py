"""The faults that a voice server meets, what is expected of it, and which tests show it.

A test shows a row by carrying `@pytest.mark.fault(number)`, or by being named in `SHOWN_BY`; its fixture `measured`
keeps a figure for the page. `./run faults` runs them and writes docs/faults.md.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["CANNOT", "FAULTS", "SHOWN_BY", "Fault"]


class Fault(NamedTuple):
    """One row."""

    number: int
    what: str
    expected: str
    how: str
    """How it is brought about."""


FAULTS = tuple(
    Fault(number, *row)
    for number, row in enumerate(
        (
            (
                "Redis is killed and started again",
                "calls pause and go on where they were; nothing acknowledged is lost",
                "SIGKILL, then a start on the same append-only file",
            ),
            (
                "Redis stands still",
                "a call to it fails within 0.3 s, audio flows on; nothing is lost or doubled",
                "SIGSTOP, SIGCONT",
            ),
            ("Redis is cut off, and nobody is told", "the same", "a proxy that swallows everything"),
            (
                "All connections to Redis are reset",
                "they are made again within half a second; nothing is lost",
                "a proxy that resets",
            ),
            (
                "Redis is far away",
                "the answer is late, and our voice is lowered as fast as ever",
                "a proxy that delays by 50 ms",
            ),
            (
                "The master is killed under Sentinel",
                "another takes over within 2.5 s; nothing acknowledged is lost",
                "SIGKILL of one of three",
            ),
            (
                "The master is frozen under Sentinel, and comes back",
                "its late writes count for nothing; none is lost",
                "SIGSTOP, SIGCONT of one of three",
            ),
            ("The disk is full", "writes are refused and made up for later; nothing crashes", "a file system of 4 MB"),
            ("Redis is out of memory", "writes are refused and made up for later; no lease is evicted", "maxmemory"),
            (
                "A stream is trimmed under requests that wait",
                "never by us; if a stranger does it, nobody waits for ever",
                "XTRIM",
            ),
            ("A consumer group is gone", "it is made again; nothing is done twice", "FLUSHALL"),
            ("A recognising process dies in the middle", "the utterance is recognised elsewhere, once", "SIGKILL"),
            (
                "A recognising process stands still and wakes late",
                "its late result counts for nothing",
                "SIGSTOP, SIGCONT",
            ),
            ("No answer comes", "an apology at the deadline, then the floor goes back", "an answerer that hangs"),
            (
                "An answer stops in the middle",
                "what was said is finished, and the floor goes back",
                "an answerer that hangs after a sentence",
            ),
            (
                "A voice fails or stalls in the middle",
                "the next voice goes on with what was not heard",
                "a voice that raises, or stands still",
            ),
            (
                "No answering worker lives, the others do",
                "an apology at the deadline, the intent notwithstanding",
                "no such worker",
            ),
            (
                "An orchestrator is killed while we speak",
                "another one goes on within a second; nothing is said twice",
                "SIGKILL",
            ),
            (
                "An orchestrator stands still for longer than its lease",
                "what it commits on waking is refused",
                "SIGSTOP, SIGCONT; a lease that is no longer renewed",
            ),
            ("Orchestrators claim a partition at the same moment", "one of them gets it", "a thousand races"),
            ("A fact comes twice", "the second copy is dropped, with its reason", "published three times"),
            ("Facts come in another order", "every rule of the conversation holds all the same", "shuffled"),
            ("A result comes when its turn is over", "it is dropped, with its reason", "published late"),
            ("An entry is no JSON", "it is skipped and counted; nobody is held up", "written to the stream"),
            ("An event is of an unknown kind", "refused where it is posted, dropped where it is in the log", "posted"),
            (
                "A request kills whoever serves it",
                "it is put aside after three deliveries; others are served meanwhile",
                "a worker that ends itself",
            ),
            (
                "Many requests are put aside",
                "they are kept with their errors until a person tries them again or drops them",
                "from the command line",
            ),
            (
                "A client does not take what it is sent",
                "it is let go before its messages fill the memory",
                "a client that reads nothing",
            ),
            (
                "A client vanishes while we speak",
                "it is noticed, and the session waits for a minute",
                "its link is cut",
            ),
            (
                "A client comes back",
                "within a second it has all that it missed, nothing of it twice",
                "a new connection",
            ),
            (
                "A second client takes the same session",
                "the newest has it, and the one before is told (4409)",
                "two connections",
            ),
            ("A caller's address changes", "the peer connection finds another way", "a UDP path that ends"),
            ("Audio packets are lost", "silence where they are missing, and no delay", "packets that are left out"),
            (
                "A clock jumps",
                "no deadline fires early, and the log's order stays",
                "facts and entries from the future",
            ),
            (
                "A server is told to end (SIGTERM)",
                "it takes no calls and lets the answer end",
                "SIGTERM while it speaks",
            ),
            (
                "The chart changes under a running call",
                "what was logged is replayed as it was",
                "recordings of earlier calls, replayed by today's chart",
            ),
            ("Something blocks the event loop", "it is noticed, and audio has a second in reserve", "time.sleep"),
            ("A worker process ends, whatever ended it", "whoever watches starts it again", "SIGKILL"),
            (
                "There are no file descriptors left",
                "new clients are refused for a while, and the call goes on",
                "a limit just above what is open",
            ),
            ("The end of the append-only file is broken", "the server starts without that end", "ten bytes cut off"),
            ("Whoever collects traces is away", "turns take as long as ever", "a closed port"),
        ),
        1,
    )
)

SHOWN_BY: dict[int, tuple[str, ...]] = {
    1: (
        "tests/adapters/bus/test_redis_faults.py::test_a_server_killed_and_restarted_loses_nothing_and_everybody_goes_on",
        "tests/faults/test_embedded_valkey.py::test_a_server_that_is_killed_is_started_again_with_what_it_held",
        "tests/faults/test_redis.py::test_calls_fail_fast_and_all_is_made_up_for_afterwards[killed]",
    ),
    2: (
        "tests/adapters/bus/test_redis_faults.py::test_a_frozen_server_fails_a_call_fast_and_nothing_is_lost",
        "tests/faults/test_redis.py::test_calls_fail_fast_and_all_is_made_up_for_afterwards[frozen]",
    ),
    3: ("tests/faults/test_redis.py::test_calls_fail_fast_and_all_is_made_up_for_afterwards[cut off]",),
    4: ("tests/faults/test_redis.py::test_connections_that_are_reset_are_made_again_at_once",),
    5: (
        "tests/faults/test_redis.py::test_a_server_far_away_is_late_and_nothing_else",
        "tests/faults/test_redis.py::test_calls_fail_fast_and_all_is_made_up_for_afterwards[slow]",
    ),
    6: ("tests/faults/test_sentinel.py::test_another_server_takes_over_and_no_acknowledged_fact_is_lost[killed]",),
    7: ("tests/faults/test_sentinel.py::test_another_server_takes_over_and_no_acknowledged_fact_is_lost[frozen]",),
    8: ("tests/faults/test_redis.py::test_calls_fail_fast_and_all_is_made_up_for_afterwards[out of disk]",),
    9: ("tests/faults/test_redis.py::test_calls_fail_fast_and_all_is_made_up_for_afterwards[out of memory]",),
    10: ("tests/adapters/bus/test_bus_contract.py::test_trimming_takes_what_is_old_and_committed_and_nothing_else",),
    11: ("tests/adapters/bus/test_redis_faults.py::test_workers_go_on_when_the_server_has_lost_their_groups",),
    14: ("tests/app/test_degrading.py::test_an_answerer_that_fails_is_bridged_and_apologised_for_aloud",),
    16: (
        "tests/app/test_degrading.py::test_a_voice_that_breaks_off_leaves_the_rest_to_the_next_one",
        "tests/faults/test_audio_workers.py::test_a_process_that_dies_while_it_speaks_has_failed_soon",
    ),
    19: ("tests/adapters/bus/test_bus_contract.py::test_a_frozen_owner_is_replaced_and_its_commit_refused",),
    20: ("tests/adapters/bus/test_bus_contract.py::test_no_fact_is_lost_or_folded_twice_while_owners_come_and_go",),
    22: ("tests/properties/test_conversation.py::test_every_property_holds_in_every_situation",),
    23: (
        "tests/charts/test_turns.py::test_a_result_of_an_older_turn_is_dropped_with_the_reason",
        "tests/charts/test_speculation.py::test_a_late_result_of_a_wrong_guess_is_not_the_answer_to_other_words",
    ),
    24: (
        "tests/app/test_orchestrator.py::test_a_broken_envelope_holds_nobody_up",
        "tests/adapters/bus/test_bus_contract.py::test_what_a_stranger_wrote_wrongly_is_an_entry_with_an_error",
    ),
    25: (
        "tests/app/test_orchestrator.py::test_a_broken_envelope_holds_nobody_up",
        "tests/end_to_end/test_http.py::test_a_bad_event_is_refused_as_a_problem",
    ),
    26: (
        "tests/app/test_orchestrator.py::test_a_poison_request_is_put_aside_and_the_caller_gets_an_apology",
        "tests/faults/test_poison.py::test_it_ends_three_processes_and_no_other_request_is_lost",
    ),
    27: ("tests/app/test_dlq.py::test_they_are_listed_shown_tried_again_and_dropped",),
    28: (
        "tests/adapters/media/test_outbox.py::test_a_client_that_takes_nothing_is_given_up_instead_of_filling_memory",
    ),
    29: (
        "tests/adapters/media/test_webrtc.py::test_a_client_that_vanishes_is_noticed_by_its_silence",
        "tests/end_to_end/test_websocket.py::test_a_client_that_vanishes_in_the_middle_of_an_answer_finds_its_session_again",
    ),
    30: (
        "tests/app/test_gateways.py::test_a_client_is_told_all_that_it_missed_once_and_in_order",
        "tests/app/test_gateways.py::test_an_answer_goes_on_at_another_gateway_from_what_was_confirmed",
    ),
    31: ("tests/app/test_gateways.py::test_the_newest_client_has_the_call_and_the_one_before_is_told",),
    33: ("tests/adapters/media/test_webrtc.py::test_lost_packets_are_silence_and_delay_nothing",),
    34: ("tests/app/test_orchestrator.py::test_a_time_from_the_future_does_not_steer",),
    35: (
        "tests/end_to_end/test_serving.py::test_sigterm_lets_a_question_end_and_be_answered",
        "tests/end_to_end/test_serving.py::test_sigterm_lets_the_answer_end_first",
        "tests/end_to_end/test_roles.py::test_a_role_that_is_told_to_end_leaves_in_order_and_others_take_over",
    ),
    36: ("tests/recordings/test_recordings.py::test_a_recorded_call_is_led_as_it_was",),
    38: ("tests/end_to_end/test_processes.py::test_any_of_them_is_killed_and_calls_go_on",),
    40: ("tests/faults/test_embedded_valkey.py::test_a_broken_end_of_the_file_costs_no_more_than_that_end",),
}
"""Tests that were there before, and belong where they are."""

CANNOT: dict[int, str] = {
    32: "aiortc cannot restart ICE; the page connects anew, which is row 30",
    41: "no traces are exported yet",
}
"""Rows that no test brings about, and why."""
