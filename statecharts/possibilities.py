"""What the world may do next to a conversation, and which of its contexts come to the same thing."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from functools import partial
from itertools import product

import msgspec
from msgspec import Struct

from statecharts.events import (
    BargeIn,
    Connected,
    Disconnected,
    Event,
    IntentDetected,
    IntentFailed,
    KeyPressed,
    Kind,
    MicDenied,
    MicMuted,
    MicOpened,
    MicUnmuted,
    PlaybackDone,
    PlaybackProgress,
    PlaybackStarted,
    RagAnswerReady,
    RagFailed,
    SessionEnded,
    SessionStarted,
    SpeechStarted,
    SpeechStopped,
    SttFailed,
    SttFinal,
    SttPartial,
    TimerFired,
    TtsChunkReady,
    TtsDone,
    TtsFailed,
)
from statecharts.guessing import same_words
from statecharts.machine import Move, Step
from statecharts.phrases import Fillers, Phrases
from statecharts.policy import Policy
from statecharts.scene import RETRIEVED_INTENTS
from statecharts.speech import Speech
from statecharts.stepping import TABLE, RunningChart, Snapshot, chart_event
from statecharts.table import Edge, Table
from statecharts.timers import EARLY_S, TIMERS

__all__ = ["SAID", "VARIANTS", "ConversationMachine", "Variant", "abstract", "as_move"]

WORDS = "tell me more about it"
BACKCHANNEL = "yeah"
FEW_WORDS = "wait"
"""Fewer than interrupt, where a number of words is asked for."""
SOON_S = 0.1
LATE_S = 2.0
"""Later than any warm-up, and than the time in which a turn is taken back."""


SAID = Phrases(
    hello=("Hello.",), goodbye=("Goodbye.",), thanks=("You are welcome.",), help=("Ask me.",), stop=("Okay.",),
    yes=("Good.",), no=("Okay.",), nothing_to_repeat=("Nothing yet.",), apology=("Sorry.", "I am sorry."),
    not_heard=("Say that again.", "Once more."),
    filler=Fillers(question=("Let me see.", "One moment."), help=("One moment.", "Let me think.")),
)  # fmt: skip
"""Something for all that is always said; the sentences themselves decide nothing."""
_ALSO_UNASKED = msgspec.structs.replace(
    SAID, greeting=("Welcome.",), prompt=("What else?", "Anything else?"), still_there=("Still there?",), stop=()
)


_UNASKED = Policy(
    filler_after_s=0.7, greeting_after_s=0.5, prompt_after_s=10.0, prompts_max=1, still_there_s=10.0, speculation="off"
)


class Variant(Struct, frozen=True):
    """A set of rules to explore under."""

    name: str
    policy: Policy
    phrases: Phrases
    echo: bool = False
    """Nothing takes our own voice out of what the microphone hears; it is so from the start."""


VARIANTS = (
    Variant("as delivered", Policy(), SAID),
    Variant("with a greeting, fillers and prompts", _UNASKED, _ALSO_UNASKED),
    Variant("with a cautious ear", Policy(echo_warmup_s=1.0, speculation="off"), SAID),
    Variant("with our echo in the microphone", Policy(speculation="off"), SAID, echo=True),
    Variant("two words to interrupt", Policy(barge_in_min_words=2, speculation="off"), SAID),
    Variant("no pausing, nothing taken back", Policy(pausable=False, withdraw_s=0.0, speculation="off"), SAID),
    Variant("never interrupted, only text is guessed", Policy(interruptible=False, speculation="text"), SAID),
)
"""The rules under which all is explored: between them every edge can be taken."""


class ConversationMachine:
    """The conversation under one set of rules, as exploring and walking need it."""

    def __init__(self, variant: Variant = VARIANTS[0], table: Table = TABLE) -> None:
        self.variant = variant
        self.table = table
        self._new = partial(RunningChart, variant.policy, variant.phrases, table=table)
        self._standing: tuple[Snapshot, RunningChart] | None = None

    def start(self) -> Snapshot:
        """Return a conversation nobody has joined yet, at a time of its own."""
        snapshot = self._new().snapshot()
        snapshot.context.now = 1000.0
        snapshot.context.echoes = self.variant.echo
        return snapshot

    def moves(self, at: Snapshot) -> Iterator[Move]:
        """Return one example of each kind of event, of this turn and not, and each running timer."""
        for event in _facts(at, self.variant.policy):
            yield as_move(event, at.context.now)
        for name, due in sorted(at.context.timers.items()):
            yield as_move(TimerFired(name=name, timestamp=max(due, at.context.now)), at.context.now, of_time=True)

    def take(self, at: Snapshot, move: Move) -> Step[Snapshot]:
        """Return what an event does."""
        # Most events lead nowhere and leave the chart as it was: it is made anew only after one that did something.
        standing, self._standing = self._standing, None
        chart = standing[1] if standing is not None and standing[0] is at else self._new(at)
        chart.context.now = at.context.now
        assert isinstance(move.fact, Event)
        effects = chart.step(move.fact)
        if not chart.taken and not move.of_time:
            self._standing = at, chart
        return Step(at, move, chart.snapshot(), effects, list(chart.taken))

    def key(self, at: Snapshot) -> Hashable:
        """Return what guards and actions can tell apart."""
        return abstract(at, self.variant.policy)

    def leaves(self) -> Sequence[str]:
        """Return every state in which the chart can be."""
        return self.table.declaration.leaves

    def ends(self) -> Sequence[str]:
        """Return none: even a conversation that was hung up can be connected to again."""
        return ()

    def edges(self) -> Sequence[Edge]:
        """Return every declared edge."""
        return self.table.declaration.edges


def as_move(event: Event, now: float, *, of_time: bool = False) -> Move:
    """Return an event as what may happen next."""
    return Move(chart_event(event), event, event.timestamp - now, of_time)


def abstract(at: Snapshot, policy: Policy) -> Hashable:
    """Return the part of a situation on which its future depends; see `exploration` for why that is enough."""
    context, speech, cut = at.context, at.context.speech, at.context.cut
    echo_words = policy.echo_min_words if context.echoes else 0
    return (
        at.state,
        context.detached,
        context.voice_on,
        bool(context.text),
        context.final_known,
        context.silence_over,
        len(context.text.split()) > context.words_before,
        bool(context.carried),
        context.over_answer,
        context.echoes,
        bool(context.ours),
        bool(context.guess),
        context.guess and same_words(context.guess, context.text),
        _abstract_answer(at),
        min(len(context.overlap_text.split()), max(policy.barge_in_min_words, echo_words)),
        _abstract_speech(speech, at, policy),
        context.prompts_left > 0,
        context.asked_there,
        cut and cut.speech.reported and not cut.interrupted and (True, cut.speech.turn == context.turn),
        frozenset(context.timers),
        frozenset(context.frozen),
    )


def _abstract_answer(at: Snapshot) -> Hashable:
    context = at.context
    if not context.turn_open and not context.guess:
        return None  # left over from a turn that is closed; the next one clears it before anybody asks
    if context.late and not at.state.startswith("THINKING"):
        return None  # an apology is heard: whatever it is for, nobody asks for the answer any more
    known = context.intent if context.intent in ("", "help") else str(context.intent in RETRIEVED_INTENTS)
    if context.late:
        return "late", bool(known), bool(context.asked)
    pieces: tuple[bool, ...] = tuple(sorted({bool(sentence.text) for sentence in context.sentences}))
    if pieces and known in ("", "help"):  # who asks for help asks as well whether anything was found
        pieces = (*pieces, context.sentences[0].found)
    if context.retrieved and not pieces and known:
        known = "told"
    return known, pieces, context.retrieved, bool(context.asked)


def _abstract_speech(speech: Speech | None, at: Snapshot, policy: Policy) -> Hashable:
    if speech is None:
        return None
    return (
        speech.kind if speech.kind == "answer" or not speech.started_at else "heard, and no answer",
        speech.composed,
        speech.synthesised,
        bool(speech.started_at),
        bool(speech.paused_at),
        speech.reported,
        bool(speech.text),
        _abstract_echo(speech, at, policy),
        policy.withdraw_s > 0 and speech.kind == "answer" and at.state.startswith("INTERRUPT")
        and at.context.overlap_at <= speech.started_at + policy.withdraw_s,
    )  # fmt: skip


def _abstract_echo(speech: Speech, at: Snapshot, policy: Policy) -> Hashable:
    """Return whether what we hear may be our own voice, and whether it still may when the voice is judged."""
    until = speech.started_at + policy.echo_warmup_s - EARLY_S
    if not policy.echo_warmup_s or at.context.now >= until:
        return False
    return "judged later" if at.context.timers.get("barge_in_speech", 0.0) >= until else True


def _facts(at: Snapshot, policy: Policy) -> Iterator[Event]:
    context = at.context
    soon, late, turn = context.now + SOON_S, context.now + LATE_S, context.turn + bool(context.guess)
    yield Connected(timestamp=soon)
    yield Disconnected(timestamp=soon)
    yield SessionStarted(timestamp=soon)
    yield SessionEnded(timestamp=soon, reason="hangup")
    between = [context.now + policy.echo_warmup_s - SOON_S] if policy.echo_warmup_s > policy.withdraw_s else []
    for moment in (soon, *between, late):
        yield SpeechStarted(timestamp=moment)
        yield BargeIn(timestamp=moment)
    yield SpeechStopped(timestamp=soon, silence_s=policy.settle_s)
    few = [FEW_WORDS] if policy.barge_in_min_words else []
    for text in (WORDS, BACKCHANNEL, "", *few):
        yield SttPartial(timestamp=soon, text=text)
        yield SttFinal(timestamp=soon, text=text)
    for text in (WORDS, BACKCHANNEL):
        yield SttFinal(timestamp=soon, text=text, origin="typed")
    yield SttFailed(timestamp=soon)
    yield KeyPressed(timestamp=soon)
    for muted in (MicMuted, MicUnmuted, MicDenied):
        yield muted(timestamp=soon)
    yield MicOpened(timestamp=soon, echo_cancellation=not context.echoes)
    yield from _of_workers(soon, turn)
    yield from _of_our_voice(at, soon)
    yield RagAnswerReady(timestamp=soon, turn=turn + 1, text="From another turn.", is_final=True)
    for name in TIMERS:
        if name not in context.timers:
            yield TimerFired(timestamp=soon, name=name)


def _of_workers(soon: float, turn: int) -> Iterator[Event]:
    for intent in ("question", "help", "repeat", "greeting", "stop"):
        yield IntentDetected(timestamp=soon, turn=turn, intent=intent)
    yield IntentDetected(timestamp=soon, turn=turn, intent="question", request_id="not ours")
    yield IntentFailed(timestamp=soon, turn=turn)
    for text, source, is_final in product(("A sentence.", ""), ("a.md", ""), (False, True)):
        yield RagAnswerReady(timestamp=soon, turn=turn, text=text, source=source, is_final=is_final)
    yield RagFailed(timestamp=soon, turn=turn)


def _of_our_voice(at: Snapshot, soon: float) -> Iterator[Event]:
    context = at.context
    turn, speech, cut = context.turn + bool(context.guess), context.speech, context.cut
    kind: Kind = speech.kind if speech is not None else "answer"
    request_id = speech.lines[-1].request_id if speech is not None and speech.lines else ""
    yield TtsChunkReady(timestamp=soon, turn=turn, audio_ms=1000.0, request_id=request_id)
    yield TtsChunkReady(timestamp=soon, turn=turn, audio_ms=1000.0, request_id="not ours")
    for named in (request_id, "not ours"):
        yield TtsDone(timestamp=soon, turn=turn, request_id=named)
        yield TtsFailed(timestamp=soon, turn=turn, request_id=named)
        yield TtsFailed(timestamp=soon, turn=turn, request_id=named, voices_left=1)
    yield PlaybackStarted(timestamp=soon, turn=turn, kind=kind)
    yield PlaybackProgress(timestamp=soon, turn=turn, kind=kind, played_s=0.5)
    yield PlaybackProgress(timestamp=soon, turn=turn, kind="prompt", played_s=0.5)
    yield PlaybackDone(timestamp=soon, turn=turn, kind=kind)
    yield PlaybackDone(timestamp=soon, turn=turn, kind=kind, played_s=0.3)
    yield PlaybackDone(timestamp=soon, turn=turn, kind="filler")
    if cut is not None:
        yield PlaybackDone(timestamp=soon, turn=cut.speech.turn, kind=cut.speech.kind, played_s=0.3)
