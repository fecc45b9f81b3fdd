"""The scenario file: what the caller does, how fast the scripted models are, what must be observed."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from msgspec import Meta, Struct, field, structs

from statecharts.policy import Policy

__all__ = [
    "Answer", "CallerAct", "Expectation", "HangsUp", "HistoryEntry", "Keys", "PolicyTable", "Scenario", "Setting",
    "Speaker", "Speculation", "StateName", "Types", "Voice",
]  # fmt: skip

Seconds: TypeAlias = Annotated[float, Meta(ge=0, le=86_400)]
"""Virtual time since the call began, or a span of it."""
Count: TypeAlias = Annotated[int, Meta(ge=0)]
StateName: TypeAlias = Literal["IDLE", "LISTENING", "THINKING", "SPEAKING", "INTERRUPT"]


Speculation: TypeAlias = Literal["off", "text", "voice"]


class _Table(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Any table of a scenario: a key that is none of its own is a mistake of whoever wrote it."""


class PolicyTable(_Table, frozen=True, kw_only=True):
    """The profile of scenarios: these defaults are theirs, whatever the product's are."""

    adaptive_end_of_turn: bool = False
    end_of_turn_s: Seconds = 0.5
    barge_in_speech_s: Seconds = 0.5
    barge_in_min_words: Count = 0
    interruptible: bool = True
    false_interruption_s: Seconds = 2.0
    speculation: Speculation = "off"
    answer_deadline_s: Seconds = 5.0
    withdraw_s: Seconds = 0.0
    away_s: Seconds = 15.0
    echo_warmup_s: Seconds = 0.0
    filler_after_s: Seconds = 0.0
    greeting_after_s: Seconds = 0.0
    prompt_after_s: Seconds = 0.0
    prompts_max: Count = 2
    still_there_s: Seconds = 0.0

    @property
    def not_built(self) -> list[str]:
        """Settings that differ from the profile and that this version's policy does not know."""
        return [
            name
            for name, value in structs.asdict(self).items()
            if name not in Policy.__struct_fields__ and value != getattr(PolicyTable(), name)
        ]

    def to_policy(self, *, pausable: bool) -> Policy:
        """Return the rules of a run; what the profile does not name is the product's."""
        known = {name: value for name, value in structs.asdict(self).items() if name in Policy.__struct_fields__}
        # The recogniser is asked as often as it can be: its script says when it has something to tell.
        return structs.replace(Policy(pausable=pausable, partial_every_s=0.0), **known)


class Voice(_Table, frozen=True, kw_only=True):
    """The caller speaks, or makes a noise (`text` is empty)."""

    voice: tuple[Seconds, Seconds]
    text: str = "Tell me a story."
    final_after: Seconds = 0.2
    interim: bool = True
    final: bool = True
    detector: tuple[Seconds, Seconds] = (0.05, 0.1)
    fails: bool = False
    """The recogniser fails on it, when its final text would be due."""

    @property
    def interim_at(self) -> float:
        """When the recogniser has a first text."""
        return self.voice[1] + self.final_after / 2

    @property
    def final_at(self) -> float:
        """When the recogniser has its last text."""
        return self.voice[1] + self.final_after


class Types(_Table, frozen=True, kw_only=True):
    """The caller types a line."""

    at: Seconds
    types: Annotated[str, Meta(min_length=1, pattern=r"\S")]


class Keys(_Table, frozen=True, kw_only=True):
    """The caller presses keys of a telephone, all at once."""

    at: Seconds
    keys: Annotated[str, Meta(pattern=r"^[0-9A-D*#]+$")]


class HangsUp(_Table, frozen=True, kw_only=True):
    """The caller hangs up."""

    at: Seconds
    hangs_up: bool


CallerAct: TypeAlias = Voice | Types | Keys | HangsUp


class Answer(_Table, frozen=True, kw_only=True):
    """One answer of the answerer, and how it is spoken."""

    text: str = "Once upon a time."
    first_s: Seconds = 0.1
    all_s: Seconds = 0.3
    voice_s: Seconds = 10.0
    voice_first_s: Seconds = 0.2
    fails: bool = False
    nothing: bool = False
    voices_fail: Count = 0
    """So many of the two voices fail on each of its sentences."""


class Speaker(_Table, frozen=True, kw_only=True):
    """What the caller's player can do."""

    pausable: bool = True
    reports: bool = True


class HistoryEntry(_Table, frozen=True, kw_only=True):
    """What must be true of one entry of the history; None: nothing."""

    role: Literal["user", "assistant"] | None = None
    text: str | None = None
    interrupted: bool | None = None


class Expectation(_Table, frozen=True, kw_only=True):
    """What must be observed; None: nothing."""

    states: list[tuple[Seconds, StateName]] | None = None
    audible: list[tuple[Seconds, Seconds]] | None = None
    history: list[HistoryEntry] | None = None
    never: list[StateName] = []
    turns: Count | None = None


class Setting(_Table, frozen=True, kw_only=True):
    """One file, without what the caller does."""

    title: str = ""
    source: str = ""
    tolerance_s: Seconds = 0.1
    run_until_s: Seconds = 0.0
    policy: PolicyTable = field(default_factory=PolicyTable)
    answers: list[Answer] = []
    speaker: Speaker = field(default_factory=Speaker)
    expect: Expectation = field(default_factory=Expectation)


class Scenario(Setting, frozen=True, kw_only=True):
    """One file."""

    caller: list[CallerAct] = []
