"""A recorded call through today's chart: fact by fact, and where the outcome is another one."""

from __future__ import annotations

import difflib
from collections import deque
from collections.abc import Iterator, Sequence

import msgspec
from msgspec import Struct

from adapters.bus.port import LogEntry
from app.chart_version import CHART
from app.folding import Conversation, Folded, derived_envelopes
from app.replay.call_log import BadLog, CallLog, LoggedFact
from app.replay.telling import brief, event_line
from app.rules import Rules
from app.session_record import SessionRecord
from statecharts.events import VoicechartError
from statecharts.phrases import Phrases
from statecharts.policy import Policy

__all__ = [
    "ChartFailed",
    "Comparison",
    "Difference",
    "Refolded",
    "Side",
    "assert_whole",
    "compare",
    "differences",
    "outcome_bytes",
    "read_rules",
    "refold",
    "rules_of",
]

CONTEXT_FACTS = 3
"""Facts shown before the first difference."""


class ChartFailed(VoicechartError):
    """Today's chart has a mistake, and this call shows it."""


class Refolded(Struct, frozen=True):
    """One recorded fact, folded again."""

    number: int
    """From 1."""
    fact: LoggedFact
    folded: Folded
    conversation: Conversation
    """As it is after the fact; it goes on with the next one."""


def refold(log: CallLog, untold: tuple[Policy, Phrases]) -> Iterator[Refolded]:
    """Fold a call's facts again, under the rules it was led by.

    Args:
        log: The call.
        untold: The rules to take where the log does not say.

    Raises:
        BadLog: The log begins in the middle, or its rules cannot be read.
        ChartFailed: The chart raises an error on a fact that it took when it was recorded.
    """
    assert_whole(log)
    record = SessionRecord(session_id=log.session_id)
    rules = untold
    conversation = Conversation(record, *rules)
    for number, fact in enumerate(log.facts, 1):
        if fact.outcome is not None and fact.outcome.rules is not None:
            rules = read_rules(fact.outcome.rules, log.name)
            conversation = Conversation(record, *rules)
        envelope = fact.envelope(log.session_id)
        try:
            folded = conversation.fold(LogEntry(position=fact.position, envelope=envelope), envelope)
        except Exception as error:  # whatever a broken chart raises, the call and the fact are what has to be told
            if fact.outcome is None and fact.derived is None:  # then too: the orchestrator went on without it
                conversation = Conversation(record, *rules)
                continue
            told = f"{type(error).__name__}: {error}"
            raise ChartFailed(
                f"{log.name}, fact {number} ({brief(fact)}): today's chart fails on it: {told}."
            ) from error
        yield Refolded(number, fact, folded, conversation)


def assert_whole(log: CallLog) -> None:
    """Raise BadLog if the first facts of a call are missing."""
    first = log.facts[0].outcome if log.facts else None
    if first is not None and first.before != "IDLE.new":
        raise BadLog(
            f"{log.name} begins in {first.before}: its first facts are gone (the log keeps them for "
            "`log_retention_s`, a day if not set). A call can be replayed from its beginning only."
        )


def read_rules(rules: Rules, name: str) -> tuple[Policy, Phrases]:
    """Return the rules of a log as this version understands them."""
    try:
        policy, phrases, _ = rules.read()
    except msgspec.ValidationError as error:
        raise BadLog(f"{name}: its rules cannot be used by this version: {error}.") from error
    return policy, phrases


def rules_of(log: CallLog, untold: tuple[Policy, Phrases]) -> tuple[Policy, Phrases]:
    """Return the rules under which a call was led, `untold` if its log does not say.

    Raises:
        BadLog: It says several, or they cannot be read.
    """
    told = [fact.outcome.rules for fact in log.facts if fact.outcome is not None and fact.outcome.rules is not None]
    if len(told) > 1:
        raise BadLog(f"{log.name} was led under {len(told)} policies, one after the other; it cannot be taken as one.")
    return read_rules(told[0], log.name) if told else untold


class Side(Struct, frozen=True):
    """What one fact did, in one of the two runs."""

    before: str
    after: str
    effects: list[dict[str, object]]


class Difference(Struct, frozen=True, kw_only=True):
    """A fact whose outcome is another one now."""

    number: int
    at_s: float
    """Seconds since the call began."""
    event: str
    leading_to_it: list[str]
    """The facts before it, for people."""
    recorded: Side
    now: Side
    effects_diff: list[str]
    """Effects with `-` only recorded, with `+` only now."""


class Comparison(Struct, frozen=True, kw_only=True):
    """One call, recorded and now."""

    log: str
    session_id: str
    same: bool
    chart_recorded: list[str]
    chart_now: str
    facts: int
    compared: int
    """Facts of which the log says what they did."""
    differing: int
    compared_by: str
    """`effects`, or `derived events` for a log that tells no more."""
    first_difference: Difference | None
    notes: list[str]


def compare(log: CallLog, untold: tuple[Policy, Phrases]) -> Comparison:
    """Fold a call again and hold states and effects against the recorded ones, byte for byte."""
    differing = list(differences(log, untold))
    compared = sum(fact.outcome is not None or fact.derived is not None for fact in log.facts)
    return Comparison(
        log=log.name, session_id=log.session_id, same=not differing, chart_recorded=log.chart_versions,
        chart_now=CHART, facts=len(log.facts), compared=compared, differing=len(differing),
        compared_by="derived events" if any(fact.derived is not None for fact in log.facts) else "effects",
        first_difference=differing[0] if differing else None, notes=_notes(log, compared),
    )  # fmt: skip


def differences(log: CallLog, untold: tuple[Policy, Phrases]) -> Iterator[Difference]:
    """Yield every fact whose outcome is another one now."""
    before: deque[str] = deque(maxlen=CONTEXT_FACTS)
    for item in refold(log, untold):
        recorded, now = _recorded(item), _now(item)
        if recorded is not None and outcome_bytes(recorded) != outcome_bytes(now):
            yield _difference(log, item, recorded, now, list(before))
        before.append(event_line(item.fact, log.started_at, now.before, now.after))


def outcome_bytes(side: Side) -> bytes:
    """Return what is compared: states and effects, as the journal writes them."""
    return msgspec.json.encode(side)


def _recorded(item: Refolded) -> Side | None:
    outcome, derived = item.fact.outcome, item.fact.derived
    if outcome is not None:
        return Side(outcome.before, outcome.after, outcome.effects)
    return Side("", "", derived) if derived is not None else None


def _now(item: Refolded) -> Side:
    folded = item.folded
    if item.fact.outcome is None and item.fact.derived is not None:
        derived = derived_envelopes(item.conversation.record, folded.envelope, folded.effects)
        told: list[dict[str, object]] = [
            {"event_type": envelope.event_type, "payload": msgspec.to_builtins(envelope.payload)}
            for envelope in derived
        ]
        return Side("", "", told)
    return Side(folded.record.before, folded.record.after, msgspec.to_builtins(folded.effects))


def _difference(log: CallLog, item: Refolded, recorded: Side, now: Side, before: Sequence[str]) -> Difference:
    old, new = ([msgspec.json.encode(effect).decode() for effect in side.effects] for side in (recorded, now))
    changed = difflib.unified_diff(old, new, lineterm="", n=len(old) + len(new))
    return Difference(
        number=item.number, at_s=round(item.folded.record.at - log.started_at, 3),
        event=event_line(item.fact, log.started_at), leading_to_it=list(before), recorded=recorded, now=now,
        effects_diff=[line for line in changed if not line.startswith(("---", "+++", "@@"))],
    )  # fmt: skip


def _notes(log: CallLog, compared: int) -> list[str]:
    notes = []
    told = [fact.outcome.rules for fact in log.facts if fact.outcome is not None and fact.outcome.rules is not None]
    if not told:
        notes.append("the log does not say under which policy the call was led: today's settings were taken")
    if unknown := sorted({name for rules in told for name in rules.read()[2]}):
        notes.append(f"recorded under rules that are no more: {', '.join(unknown)}")
    if missing := len(log.facts) - compared:
        notes.append(f"{missing} facts have no recorded outcome: nobody had folded them yet, or their fold failed")
    return notes
