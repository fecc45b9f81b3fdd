"""The history checker: what must hold of a session once everything is over, whatever was killed on the way.

Pure functions over what is left: the session's facts in the log, the journal of what each led to, which publications
were acknowledged, what the clients obeyed. They know of no bus and no process, so that a simulation and a call on real
servers are judged by the same rules. They fold nothing again: a wrong fold must not be its own witness.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from adapters.bus.codec import ordinal
from app.history.commands import misses_no_command, obeys_no_older_epoch
from app.history.records import Committed, Ending, Found, History, Obeyed, Violation, acted_on, asked, is_copy
from app.history.requests import acts_on_no_late_result, answers_every_request
from app.history.walking import follows_the_chart
from statecharts.effects import TurnBegan, TurnEnded
from statecharts.events import SttFinal

__all__ = ["Committed", "Ending", "History", "Obeyed", "Violation", "check", "check_commits", "endings"]

AT_REST = ("IDLE.new", "IDLE.away", "IDLE.ended", "LISTENING.quiet")
"""Where a conversation may be left in which nobody does anything more."""


def check(history: History) -> list[Violation]:
    """Return all that is wrong with a session's history, rule by rule."""
    return [violation for rule in _RULES for violation in rule(history)]


def check_commits(commits: Sequence[Committed]) -> list[Violation]:
    """Return what is wrong with who committed: one owner an epoch, epochs and offsets that only grow.

    Args:
        commits: Those that happened, in their order, of all partitions.
    """
    found: list[Violation] = []
    owners: dict[tuple[int, int], str] = {}
    latest: dict[int, Committed] = {}
    for commit in commits:
        where = f"partition {commit.partition}"
        owner = owners.setdefault((commit.partition, commit.epoch), commit.owner)
        before = latest.get(commit.partition, commit)
        latest[commit.partition] = commit
        if owner != commit.owner:
            told = f"{owner} and {commit.owner} both committed to {where} in epoch {commit.epoch}"
            found.append(Violation(rule="one owner an epoch", detail=told, position=commit.upto))
        if commit.epoch < before.epoch:
            told = (
                f"{commit.owner} committed to {where} in epoch {commit.epoch}, after {before.owner} in {before.epoch}"
            )
            found.append(Violation(rule="epochs only grow", detail=told, position=commit.upto))
        if before is not commit and ordinal(commit.upto) <= ordinal(before.upto):
            told = f"{where} had been committed up to {before.upto}"
            found.append(Violation(rule="offsets only grow", detail=told, position=commit.upto))
    return found


def endings(history: History) -> list[Ending]:
    """Return how each of the caller's turns ended."""
    began = {effect.turn for record in history.journal for effect in asked(record, TurnBegan)}
    apologised = {
        effect.turn  # type: ignore[union-attr]  # what has a kind is spoken, and has a turn
        for record in history.journal
        for effect in record.effects
        if getattr(effect, "kind", "") == "apology"
    }
    ended = [effect for record in history.journal for effect in asked(record, TurnEnded) if effect.turn in began]
    return [Ending(effect.turn, _kind(effect, apologised)) for effect in ended]


def _kind(ended: TurnEnded, apologised: set[int]) -> str:
    if ended.withdrawn:
        return "withdrawn"
    if ended.interrupted:
        return "interrupted"
    if ended.turn in apologised:
        return "apologised"
    return "answered" if ended.answer_text else "silent"


# --- facts


def _folds_every_fact_once(history: History) -> Found:
    """The journal has each entry of the log once, in the order of the log, and nothing else."""
    times = Counter(record.position for record in history.journal)
    for position, fact in history.facts.items():
        if times[position] > 1:
            yield history.wrong(
                "a fact is folded once", f"{fact.event_type} was folded {times[position]} times", position
            )
        elif not times[position] and history.finished:
            yield history.wrong("no fact is lost", f"{fact.event_type} {fact.event_id} was never folded", position)
    for position in times.keys() - history.facts.keys():
        yield history.wrong("a fact is folded once", "the journal tells of an entry that the log has not", position)
    places = [ordinal(record.position) for record in history.journal]
    if places != sorted(places):
        yield history.wrong("a fact is folded once", "the journal is not in the order of the log")


def _keeps_what_was_acknowledged(history: History) -> Found:
    """Whoever was told that a fact is in the log finds it there."""
    kept = {fact.event_id for fact in history.facts.values()}
    for event_id in dict.fromkeys(history.acknowledged):
        if event_id not in kept:
            yield history.wrong("no fact is lost", f"{event_id} was acknowledged, and is not in the log")


def _acts_once(history: History) -> Found:
    """A fact is acted on once, however often it was published, and called a copy only if it was there before."""
    known: set[str] = set()
    acted: set[str] = set()
    for record in history.journal:
        event_id = record.event_id
        if is_copy(record) and event_id not in known:
            yield history.wrong("no fact is lost", f"{event_id} was dropped as a copy, and is none", record.position)
        if acted_on(record) and event_id and event_id in acted:
            yield history.wrong(
                "no fact is acted on twice", f"{record.event_type} {event_id} was acted on again", record.position
            )
        known.add(event_id)
        if acted_on(record):
            acted.add(event_id)


# --- turns


def _ends_every_turn_once(history: History) -> Found:
    """Every turn of the caller's ends exactly once; its number was never used before."""
    latest = 0
    ended: Counter[int] = Counter()
    began: list[tuple[int, str]] = []
    for record in history.journal:
        for effect in asked(record, TurnBegan):
            if effect.turn <= latest:
                yield history.wrong("turns only grow", f"turn {effect.turn} began after turn {latest}", record.position)
            latest = max(latest, effect.turn)
            began.append((effect.turn, record.position))
        ended.update(effect.turn for effect in asked(record, TurnEnded) if effect.user_text)
    for turn, position in began:
        if ended[turn] > 1:
            yield history.wrong("every turn ends once", f"turn {turn} ended {ended[turn]} times", position)
        elif not ended[turn] and history.finished:
            yield history.wrong("every turn ends once", f"turn {turn} never ended", position)


def _takes_every_typed_text(history: History) -> Found:
    """Typed text is a turn of the caller's at once, whatever goes on; but after the end of the call."""
    for record in history.journal:
        fact = history.facts.get(record.position)
        typed = fact is not None and fact.event_type == SttFinal.event_type and fact.payload.get("origin") == "typed"
        if not typed or not acted_on(record) or asked(record, TurnBegan):
            continue
        yield history.wrong("typed text is a turn", f"in {record.before} it was taken for none", record.position)


def _comes_to_rest(history: History) -> Found:
    """When nobody does anything more, nobody is left waiting."""
    last = history.journal[-1] if history.journal else None
    if history.finished and last is not None and last.after not in AT_REST:
        yield history.wrong("nobody is left waiting", f"the conversation is left in {last.after}", last.position)


_RULES: tuple[Callable[[History], Found], ...] = (
    _folds_every_fact_once, _keeps_what_was_acknowledged, _acts_once, follows_the_chart, _ends_every_turn_once,
    _takes_every_typed_text, acts_on_no_late_result, answers_every_request, _comes_to_rest, obeys_no_older_epoch,
    misses_no_command,
)  # fmt: skip
