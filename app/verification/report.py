"""What verifying a chart found, as values that can be printed, drawn and sent."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct, field

from statecharts.exploration import Exploration
from statecharts.machine import S, Step
from statecharts.proving import Broken, Property
from statecharts.table import Edge

__all__ = ["Claim", "Failure", "Part", "Report", "ShownStep", "claims_of", "failure_of", "told"]


class ShownStep(Struct, frozen=True):
    """One event of a run."""

    before: str
    event: str
    after: str
    dropped: bool
    effects: list[str]
    edges: list[Edge]


class Failure(Struct, frozen=True):
    """A property that does not hold, and the shortest run that shows it."""

    property: str
    sentence: str
    complaint: str
    variant: str
    found_by: str
    """`exploration`: no run is shorter. `walk`: as short as shrinking made it."""
    run: list[ShownStep]


class Claim(Struct, frozen=True):
    """A property and whether it holds."""

    name: str
    sentence: str
    scope: str
    holds: bool


class Part(Struct):
    """What was walked under one set of rules."""

    variant: str
    situations: int = 0
    steps: int = 0
    depth: int = 0
    walks: int = 0
    walk_steps: int = 0
    taken: dict[str, int] = field(default_factory=dict)
    outcomes: dict[tuple[str, str], str] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)

    def note(self, exploration: Exploration[S]) -> None:
        """Take over what an exploration counted."""
        self.situations, self.steps = len(exploration.found), exploration.steps
        self.depth, self.taken, self.outcomes = exploration.depth, dict(exploration.taken), exploration.outcomes


class Report(Struct, kw_only=True):
    """All that was found about a chart."""

    chart: str
    states: int
    edges: int
    edges_taken: int
    pairs: int
    """Pairs of a state and an event, each either taken or dropped with a reason."""
    pairs_taken: int
    situations: int
    """Configurations, each with all of its memory that matters."""
    steps: int
    """Ways from one situation to the next that were tried."""
    longest: int
    """Events to the farthest situation, by the shortest way."""
    walks: int
    walk_steps: int
    seconds: float
    variants: list[str]
    properties: list[Claim]
    failures: list[Failure]

    @property
    def holds(self) -> bool:
        """Whether nothing was broken."""
        return not self.failures


def failure_of(broken: Broken[S], variant: str, found_by: str) -> Failure:
    """Return a broken property as a value."""
    run = [_shown(step) for step in broken.run]
    return Failure(broken.name, broken.sentence, broken.complaint, variant, found_by, run)


def claims_of(properties: Sequence[Property], failures: Iterable[Failure]) -> list[Claim]:
    """Return each property with whether it holds."""
    fallen = {failure.property for failure in failures}
    return [Claim(claim.name, claim.sentence, claim.scope, claim.name not in fallen) for claim in properties]


def told(failure: Failure) -> Iterator[str]:
    """Yield a failure in lines for people: the sentence, what is wrong, and the run that shows it."""
    yield f"BROKEN: {failure.sentence}"
    yield f"        {failure.complaint}"
    if not failure.run:
        return
    where = f" under the rules {failure.variant!r}" if failure.variant else ""
    way = "The shortest way there" if failure.found_by == "exploration" else "A way there, as short as it could be made"
    yield f"        {way}, {len(failure.run)} event{'s' if len(failure.run) > 1 else ''}{where}:"
    for number, step in enumerate(failure.run, 1):
        arrow = "dropped" if step.dropped else f"-> {step.after}" if step.after != step.before else "stays"
        yield f"  {number:>3}. {step.before:<20} {step.event:<52} {arrow}"
    for effect in failure.run[-1].effects:
        yield f"         {effect}"


def _shown(step: Step[S]) -> ShownStep:
    return ShownStep(
        before=step.before.state, event=str(step.move), after=step.after.state, dropped=not step.taken,
        effects=[_told(effect) for effect in step.effects], edges=list(step.taken),
    )  # fmt: skip


def _told(effect: object) -> str:
    if not isinstance(effect, Struct):
        return str(effect)
    values = [getattr(effect, name) for name in effect.__struct_fields__]
    told = [f"{value!r}" for value in values if value not in ("", {}, None)]
    return f"{type(effect).__name__}({', '.join(told)})"
