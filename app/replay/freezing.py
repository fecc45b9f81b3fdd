"""A call kept as a test: its facts with their exact times, and the states and effects expected of them."""

from __future__ import annotations

import msgspec

from app.chart_version import CHART
from app.folding import GATEWAY_NAMES
from app.replay.call_log import BadLog, CallLog, LoggedFact, Outcome
from app.replay.refold import Refolded, refold
from statecharts.phrases import Phrases
from statecharts.policy import Policy

__all__ = ["frozen", "refrozen"]


def frozen(log: CallLog, title: str) -> CallLog:
    """Return what is kept of a recorded call: what was folded, as it was folded, and who published it left out.

    Raises:
        BadLog: Nothing of it was folded, or the log does not say what its facts did.
    """
    told = [fact for fact in log.facts if fact.outcome is not None]
    gateways = list(dict.fromkeys(fact.source for fact in told if fact.source.startswith(GATEWAY_NAMES)))
    # Who of several gateways says something decides whether it counts; by which names they went does not.
    names = {name: f"{GATEWAY_NAMES}{number}" for number, name in enumerate(gateways, 1)} if len(gateways) > 1 else {}
    kept = [msgspec.structs.replace(fact, source=names.get(fact.source, "")) for fact in told]
    if not kept:
        raise BadLog(f"{log.name} tells of no fact what it did. Freeze the session itself, or a file of GET …/log.")
    return msgspec.structs.replace(log, facts=kept, title=title or log.title)


def refrozen(log: CallLog, untold: tuple[Policy, Phrases]) -> CallLog:
    """Return the same facts, with what today's chart does as what is expected."""
    facts = [_expected(item) for item in refold(log, untold)]
    return msgspec.structs.replace(log, facts=facts, chart_version=CHART)


def _expected(item: Refolded) -> LoggedFact:
    record, recorded = item.folded.record, item.fact.outcome
    outcome = Outcome(
        at=record.at, before=record.before, after=record.after, effects=msgspec.to_builtins(record.effects),
        rules=recorded.rules if recorded is not None else None,
    )  # fmt: skip
    return msgspec.structs.replace(item.fact, outcome=outcome)
