"""The chart for other programs: JSON, SCXML (W3C), XState v5."""

from __future__ import annotations

import json
from xml.etree import ElementTree as ET

import msgspec

from diagrams.model import ChartModel, EdgeModel, StateModel

__all__ = ["json_text", "scxml_text", "xstate_text"]

_SCXML = "http://www.w3.org/2005/07/scxml"


def json_text(model: ChartModel) -> str:
    """Return the model as JSON; a state's id is its path."""
    return json.dumps(msgspec.to_builtins(model), indent=2) + "\n"


def scxml_text(model: ChartModel) -> str:
    """Return the chart as SCXML 1.0: guards as conditions, actions as events raised, ids as paths."""
    root = ET.Element("scxml", {"xmlns": _SCXML, "version": "1.0", "name": model.name, "datamodel": "null"})
    initial = next((state for state in model.states if state.initial), model.states[0])
    root.set("initial", model.leaf_of(initial.path))
    for state in model.states:
        _scxml_state(root, model, state)
    ET.indent(root)
    return ET.tostring(root, encoding="unicode") + "\n"


def _scxml_state(parent: ET.Element, model: ChartModel, state: StateModel) -> None:
    tag = "final" if state.final else "state"
    element = ET.SubElement(parent, tag, {"id": state.path})
    if state.substates:
        element.set("initial", model.leaf_of(state.path))
    for edge in _of(model, state.path):
        transition = ET.SubElement(element, "transition", {"event": " ".join(edge.events)})
        if edge.guards:
            transition.set("cond", " and ".join(edge.guards))
        if edge.target is not None:
            transition.set("target", edge.target)
        for action in edge.actions:
            ET.SubElement(transition, "log", {"label": action})
    for sub in state.substates:
        _scxml_state(element, model, sub)


def xstate_text(model: ChartModel) -> str:
    """Return a machine configuration for XState version 5; guards and actions by name."""
    initial = next((state for state in model.states if state.initial), model.states[0])
    machine = {
        "id": model.name,
        "initial": initial.name,
        "states": {state.name: _xstate_state(model, state) for state in model.states},
    }
    return json.dumps(machine, indent=2) + "\n"


def _xstate_state(model: ChartModel, state: StateModel) -> dict[str, object]:
    on: dict[str, list[dict[str, object]]] = {}
    for edge in _of(model, state.path):
        for event in edge.events:
            on.setdefault(event, []).append(_xstate_edge(edge))
    found: dict[str, object] = {"id": state.path, "description": state.meaning}
    if state.final:
        found["type"] = "final"
    if state.substates:
        found["initial"] = next((sub.name for sub in state.substates if sub.initial), state.substates[0].name)
        found["states"] = {sub.name: _xstate_state(model, sub) for sub in state.substates}
    if on:
        found["on"] = on
    return found


def _xstate_edge(edge: EdgeModel) -> dict[str, object]:
    described: dict[str, object] = {}
    if edge.target is not None:
        described |= {"target": f"#{edge.target}", "reenter": True}
    if edge.guards:
        named = [
            {"type": "not", "guards": [guard.removeprefix("not ")]} if guard.startswith("not ") else guard
            for guard in edge.guards
        ]
        described["guard"] = named[0] if len(named) == 1 else {"type": "and", "guards": named}
    if edge.actions:
        described["actions"] = edge.actions
    return described


def _of(model: ChartModel, path: str) -> list[EdgeModel]:
    return [edge for edge in model.edges if edge.source == path]
