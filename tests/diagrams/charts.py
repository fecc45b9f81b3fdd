"""Random charts, and what a drawing of any chart must not do."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import combinations, pairwise

from diagrams.geometry import Box, Point, Route
from diagrams.layout import Layout
from diagrams.model import ChartModel, EdgeModel, StateModel

__all__ = ["blemishes", "random_chart"]


def random_chart(seed: int) -> ChartModel:
    """Return a chart of up to six states and 25 edges, with long and short names."""
    chosen = random.Random(seed)
    states = []
    for number in range(chosen.randint(1, 6)):
        path = f"S{number}"
        count = chosen.choice([0, 0, 1, 2, 3, 4])
        inner = [
            StateModel(path=f"{path}.{name}", name=name, meaning="word " * chosen.randint(0, 9), initial=not place)
            for place, name in enumerate("abcd"[:count])
        ]
        meaning = "m" * chosen.randint(0, 20)
        states.append(StateModel(path=path, name=path, meaning=meaning, initial=not number, substates=inner))
    paths = [state.path for outer in states for state in outer.line]
    edges = [
        EdgeModel(
            trigger=f"event_{number}", events=[f"event_{number}"], source=chosen.choice(paths),
            target=chosen.choice([*paths, None]), guards=["g" * chosen.randint(1, 30)] * chosen.randint(0, 2),
            actions=["act"] * chosen.randint(0, 3),
        )
        for number in range(chosen.randint(0, 25))
    ]  # fmt: skip
    return ChartModel(name="Random", states=states, edges=edges)


def blemishes(layout: Layout) -> Iterator[str]:
    """Yield what covers what: labels, cards, lines; a line meets its own label no more than those of others."""
    cards = [(card.state.path, card.box) for frame in layout.frames for card in frame.stack.cards]
    labels = [(_name(route), route.label_box) for route in layout.routes]
    for (one, box), (other, its) in combinations([*labels, *cards], 2):
        if box.meets(its):
            yield f"{one} covers {other}"
    for one_frame, other_frame in combinations(layout.frames, 2):
        if one_frame.box.meets(other_frame.box):
            yield f"{one_frame.state.path} covers {other_frame.state.path}"
    for route in layout.routes:
        for start, end in pairwise(route.points):
            if start.x != end.x and start.y != end.y:
                yield f"{_name(route)} is neither level nor upright"
            stretch = _stretch(start, end, 0.5)
            yield from (f"{_name(route)} crosses the label of {one}" for one, box in labels if box.meets(stretch))
            yield from (f"{_name(route)} crosses {one}" for one, box in cards if _inside(box).meets(stretch))
    yield from _upon_each_other(layout)


def _upon_each_other(layout: Layout) -> Iterator[str]:
    """Yield lines that lie on each other, though they lead to different places."""
    stretches = [(route, _stretch(start, end, 0.2)) for route in layout.routes for start, end in pairwise(route.points)]
    for (one, box), (other, its) in combinations(stretches, 2):
        along = (box.width > 1) == (its.width > 1)
        if one.wire.target != other.wire.target and along and box.meets(its) and _common(box, its) > 1:
            yield f"{_name(one)} lies on {_name(other)}"


def _common(one: Box, other: Box) -> float:
    across = min(one.right, other.right) - max(one.x, other.x)
    down = min(one.bottom, other.bottom) - max(one.y, other.y)
    return max(across, down)


def _stretch(start: Point, end: Point, half: float) -> Box:
    left, top = min(start.x, end.x) - half, min(start.y, end.y) - half
    return Box(left, top, abs(start.x - end.x) + 2 * half, abs(start.y - end.y) + 2 * half)


def _inside(box: Box) -> Box:
    return Box(box.x + 1, box.y + 1, box.width - 2, box.height - 2)


def _name(route: Route) -> str:
    return f"{route.wire.source} to {route.wire.target}"
