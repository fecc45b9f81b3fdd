"""How lanes reach their cards: where lines end at a card, and in which order they turn on the way there.

Beside each state, inside its frame, upright tracks lie between its border and its cards; where a lane passes above or
below a state, tracks outside of it. A wire takes at most one of them on each side. Which track is whose is settled by
moving each as long as fewer lines cross.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct, field

from diagrams.board import Board
from diagrams.geometry import Card
from diagrams.pieces import End, Frame

__all__ = ["TRACK", "Pins", "Riser", "order_risers", "pin_ends"]

TRACK = 12.0
"""Between two upright lines."""
_APART = 11.0
"""Between two lines that end at the same side of a card."""
_CLEAR = 5.0
"""Between a line that ends at a card and a lane that does not."""
_MARGIN = 9.0
"""Between the corner of a card and a line that ends at it."""


class Riser(Struct, kw_only=True):
    """An upright line; what leads to the same card shares one."""

    near: list[float]
    """Heights at which it is met from the card's side."""
    far: list[float]
    """Heights at which it is met from the corridor's side."""
    track: int = 0
    """Counted from the cards outwards."""

    @property
    def span(self) -> tuple[float, float]:
        """Its upper and its lower end."""
        levels = [*self.near, *self.far]
        return min(levels), max(levels)


class Pins(Struct, kw_only=True):
    """What one side of a state looks like."""

    levels: dict[int, float] = field(default_factory=dict)
    """At which height each end meets its card or the border, by its `id`."""
    inner: dict[int, Riser] = field(default_factory=dict)
    """The riser inside the frame, of the ends that need one."""
    outer: dict[int, Riser] = field(default_factory=dict)
    """The riser outside of it."""


def pin_ends(board: Board, frame: Frame, side: str) -> Pins:
    """Give every wire that comes to one side of a state its place there."""
    ends = [end for end in board.ends if end.frame is frame and end.side == side]
    corridor = board.corridor(frame.column - (side == "left"))
    pins = Pins()
    taken = frame.stack.pins(side)
    border: list[float] = []
    """Where lines cross the border, or end there; lanes are kept clear of besides."""
    buses: dict[tuple[str, bool], Riser] = {}
    for group in _groups(frame, ends):
        covered = frame.covers(group[0].lane.y)
        card = frame.card(group[0].place)
        levels = [end.lane.y for end in group]
        own = {id(end.lane) for end in group}
        others = [lane.y for lane in corridor if id(lane) not in own]
        if card is None:
            top, bottom = frame.y + frame.head, frame.y + frame.height
            level = levels[0] if covered else _free(levels[0], top, bottom, border, others)
            border.append(level)
        else:
            level = _at_card(card, levels, taken[card.state.path], [*others, *border], covered=covered)
            taken[card.state.path].append(level)
            border += [] if covered else [level]
        for end in group:
            pins.levels[id(end)] = level
            if end.lane.y == level or (card is None and covered):
                continue
            bus = buses.setdefault((end.place, covered), Riser(near=[], far=[])) if end.incoming else None
            riser = bus or Riser(near=[], far=[])
            riser.near.append(level)
            riser.far.append(end.lane.y)
            (pins.inner if covered and not frame.bare else pins.outer)[id(end)] = riser
    return pins


def _groups(frame: Frame, ends: Sequence[End]) -> list[list[End]]:
    """Return the ends that meet a card at the same point: all that arrive there, or a single one that leaves."""
    groups: dict[object, list[End]] = {}
    for end in ends:
        joins = end.incoming and frame.card(end.place) is not None
        groups.setdefault((end.place, frame.covers(end.lane.y)) if joins else id(end), []).append(end)
    # Those that can go straight choose first.
    return sorted(groups.values(), key=lambda group: (not _straight(frame, group), group[0].lane.y))


def _straight(frame: Frame, group: Sequence[End]) -> bool:
    card = frame.card(group[0].place)
    return card is not None and any(card.y + _MARGIN <= end.lane.y <= card.y + card.height - _MARGIN for end in group)


def _at_card(
    card: Card, levels: Sequence[float], taken: Sequence[float], others: Sequence[float], *, covered: bool
) -> float:
    """Return the height at which lines at these levels end at a card: one of theirs, if that is free."""
    top, bottom = card.y + _MARGIN, card.y + card.height - _MARGIN
    if covered:
        free = [
            level
            for level in levels
            if top <= level <= bottom and all(abs(level - other) >= _APART - 1 for other in taken)
        ]
        if free:
            return min(free, key=lambda level: abs(level - card.box.middle.y))
    return _free(sum(levels) / len(levels), top, bottom, taken, others)


def _free(wanted: float, top: float, bottom: float, taken: Sequence[float], others: Sequence[float] = ()) -> float:
    """Return the height nearest to the wanted one at which nothing ends yet, and no other lane lies.

    Where it is crowded, lines come closer to each other than is beautiful, but not onto each other.
    """
    wanted = min(max(wanted, top), bottom)
    tries = [wanted + sign * step for step in range(200) for sign in (1, -1)]
    levels = [level for level in tries if top <= level <= bottom]
    for apart, clear in ((_APART, _CLEAR), (_APART / 2, _CLEAR), (_APART / 4, _CLEAR / 2)):
        for level in levels:
            if _far(level, taken, apart) and _far(level, others, clear):
                return level
    return wanted


def _far(level: float, others: Sequence[float], distance: float) -> bool:
    return all(abs(level - other) >= distance for other in others)


def order_risers(risers: Iterable[Riser]) -> int:
    """Give each riser a track of its own so that few lines cross; return how many tracks there are."""
    order = list({id(riser): riser for riser in risers}.values())
    order.sort(key=lambda riser: (riser.span[1] - riser.span[0], riser.span))
    inside = {(id(one), id(other)): _crossings(one, other) for one in order for other in order if one is not other}
    moved = True
    while moved:
        moved = False
        for riser in tuple(order):
            moved = _improve(order, riser, inside) or moved
    for track, riser in enumerate(order):
        riser.track = track
    return len(order)


def _improve(order: list[Riser], riser: Riser, inside: Mapping[tuple[int, int], int]) -> bool:
    """Move a riser to the track where it crosses least; return whether that is another one."""
    was = order.index(riser)
    others = [other for other in order if other is not riser]
    # From the innermost track outwards: with each track, one more riser lies inside of it.
    cost = sum(inside[id(riser), id(other)] for other in others)
    costs = [cost]
    for other in others:
        cost += inside[id(other), id(riser)] - inside[id(riser), id(other)]
        costs.append(cost)
    best = min(costs)
    if costs[was] == best:
        return False
    others.insert(costs.index(best), riser)
    order[:] = others
    return True


def _crossings(inner: Riser, outer: Riser) -> int:
    """Count how often two risers' lines cross if one lies inside of the other.

    What leads from the outer one to its card passes the inner one, and what leads from the inner one to its lanes the
    outer one.
    """
    to_card = sum(_within(level, inner) for level in set(outer.near))
    return to_card + sum(_within(level, outer) for level in inner.far)


def _within(level: float, riser: Riser) -> bool:
    top, bottom = riser.span
    return top < level < bottom
