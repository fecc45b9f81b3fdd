"""From a chart's model to what is laid out: frames with cards, and wires between them."""

from __future__ import annotations

from collections.abc import Sequence

from diagrams.geometry import Card, Wire
from diagrams.labels import card_block, edge_block
from diagrams.model import ChartModel, EdgeModel, StateModel, fullest
from diagrams.overlay import Overlay
from diagrams.palette import colours_of
from diagrams.pieces import HEAD, Frame
from diagrams.places import columns_of
from diagrams.stack import Stack

__all__ = ["frames_of", "is_inner", "wires_of"]

_LABEL_WIDTH = 236.0
"""Width at which a label between states breaks."""
_INNER_WIDTH = 138.0
"""Width at which one inside a state breaks."""
_PADDING = 9.0
_LEAST_WIDTH = 128.0
_PIN_ROOM = 12.0
"""Height that a line takes which ends at a card."""
_FOOT = 12.0


def wires_of(model: ChartModel, overlay: Overlay) -> list[Wire]:
    """Return the edges that change the state: those between the same places as one wire, those of all states as one."""
    once = model.shared()
    drawn = {id(edge) for edges in once for edge in edges}
    ways: dict[tuple[str, str], list[EdgeModel]] = {}
    for edge in model.edges:
        if edge.target is not None and id(edge) not in drawn:
            inner = _outer(edge.source) == _outer(edge.target)
            target = model.leaf_of(edge.target) if inner else edge.target
            ways.setdefault((edge.source, target), []).append(edge)
    wires = []
    for (source, target), edges in ways.items():
        width = _INNER_WIDTH if _outer(source) == _outer(target) else _LABEL_WIDTH
        label = edge_block(model, edges, width, overlay)
        wires.append(Wire(source=source, target=target, edges=tuple(edges), label=label))
    for edges in once:
        target = model.leaf_of(str(edges[0].target))
        label = edge_block(model, [fullest(edges)], _INNER_WIDTH, overlay)
        wires.append(Wire(source=edges[0].source, target=target, edges=tuple(edges), label=label, shared=True))
    return wires


def is_inner(wire: Wire) -> bool:
    """Return whether a wire stays in one outer state; what comes from everywhere is drawn inside its target."""
    return wire.shared or _outer(wire.source) == _outer(wire.target)


def frames_of(model: ChartModel, overlay: Overlay, wires: Sequence[Wire]) -> list[list[Frame]]:
    """Return the outer states in columns, with their cards."""
    states = {state.path: state for state in model.states}
    return [
        [_frame(model, overlay, states[path], (column, number), wires) for number, path in enumerate(paths)]
        for column, paths in enumerate(columns_of(model))
    ]


def _frame(
    model: ChartModel, overlay: Overlay, state: StateModel, place: tuple[int, int], wires: Sequence[Wire]
) -> Frame:
    own = [wire for wire in wires if is_inner(wire) and _outer(wire.target) == state.path]
    bare = not state.substates
    cards = [_card(model, overlay, leaf, state, wires) for leaf in state.line if not leaf.substates]
    for card in cards:
        card.width = max(other.width for other in cards)
    return Frame(
        state=state, stack=Stack(cards, own, bare=bare), column=place[0], number=place[1],
        head=0.0 if bare else HEAD, foot=0.0 if bare else _FOOT, shared=any(wire.shared for wire in own),
    )  # fmt: skip


def _card(model: ChartModel, overlay: Overlay, leaf: StateModel, outer: StateModel, wires: Sequence[Wire]) -> Card:
    name = leaf.path.removeprefix(f"{outer.path}.")
    colours = colours_of(leaf.path, [state.path for state in model.states])
    block = card_block(model, leaf, name, colours.line, overlay.states.get(leaf.path))
    pins = _pins(model, leaf.path, wires)
    return Card(
        state=leaf, block=block, width=max(_LEAST_WIDTH, block.width + 2 * _PADDING + 8),
        height=max(block.height + 2 * _PADDING, (pins + 1) * _PIN_ROOM + 10),
    )  # fmt: skip


def _pins(model: ChartModel, path: str, wires: Sequence[Wire]) -> int:
    """Return how many lines end at the fuller side of a card; those that arrive from one side arrive as one."""
    columns = {outer: number for number, paths in enumerate(columns_of(model)) for outer in paths}
    counts = {"left": 0, "right": 0}
    arriving = set()
    for wire in wires:
        if path not in (wire.source, wire.target) or wire.source == wire.target:
            continue
        there, here = columns[_outer(wire.source if path == wire.target else wire.target)], columns[_outer(path)]
        inner = is_inner(wire)
        side = "left" if there < here else "right"
        if path == wire.target and not inner:
            arriving.add(side)
        else:
            counts[side] += 1
    return max(counts["left"] + ("left" in arriving), counts["right"] + ("right" in arriving))


def _outer(path: str) -> str:
    return path.split(".")[0]
