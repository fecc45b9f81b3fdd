"""Which edge of a changed chart is which edge of the old one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from diagrams.model import EdgeModel

__all__ = ["Pair", "overtaken", "pairs"]

Pair = tuple[EdgeModel | None, EdgeModel | None]
"""Before and after; one of them is missing if the edge is new or gone."""

_LIKENESS: Sequence[Callable[[EdgeModel], object]] = (
    lambda edge: (str(edge), edge.actions),
    lambda edge: (edge.source, edge.trigger, edge.target, edge.guards),
    lambda edge: (edge.source, edge.trigger, edge.target),
    lambda edge: (edge.source, edge.trigger, edge.guards, edge.actions),
    lambda edge: (edge.trigger, edge.target, edge.guards, edge.actions),
)
"""What edges have in common to be taken for the same: first everything, then less and less."""


def pairs(old: Sequence[EdgeModel], new: Sequence[EdgeModel]) -> list[Pair]:
    """Match the edges of both sides; those that are gone come last."""
    partners: dict[int, EdgeModel] = {}
    left = list(old)
    for alike in _LIKENESS:
        for after in new:
            if id(after) in partners:
                continue
            match = next((before for before in left if alike(before) == alike(after)), None)
            if match is not None:
                partners[id(after)] = match
                left = [before for before in left if before is not match]
    return [*((partners.get(id(after)), after) for after in new), *((before, None) for before in left)]


def overtaken(pair: Pair, found: Sequence[Pair], old: Sequence[EdgeModel]) -> Iterator[EdgeModel]:
    """Yield the edges that a kept edge is tried before now, and was not: of those that fit, the first is taken."""
    before, after = pair
    if before is None or after is None:
        return
    places = {id(edge): number for number, edge in enumerate(old)}
    passed = False
    for earlier, other in found:
        passed = passed or other is after
        if not passed or earlier is None or other is None or other is after:
            continue
        beside = other.source == after.source and earlier.source == before.source
        if beside and set(other.events) & set(after.events) and places[id(earlier)] < places[id(before)]:
            yield other
