"""The chart for other programs: JSON, SCXML (W3C), XState v5. A state's id is its path.

Guards and actions travel by name, since what they ask and do is written in Python: whoever runs an export says for each
guard whether it holds. In SCXML a guard is a variable of the data model; its conditions are written so that ECMAScript
and python-statemachine read them alike. In XState it is a guard to be implemented; several at one edge are the guard
`all`, whose parameters say which have to hold and which must not.
"""

from __future__ import annotations

import json
from xml.etree import ElementTree as ET

import msgspec

from diagrams.model import ChartModel, EdgeModel, StateModel

__all__ = ["json_text", "scxml_text", "xstate_text"]

_SCXML = "http://www.w3.org/2005/07/scxml"


def json_text(model: ChartModel) -> str:
    """Return the model as JSON."""
    return json.dumps(msgspec.to_builtins(model), indent=2) + "\n"


def scxml_text(model: ChartModel) -> str:
    """Return the chart as SCXML 1.0: guards as conditions on variables, actions as log entries."""
    root = ET.Element("scxml", {"xmlns": _SCXML, "version": "1.0", "name": model.name, "datamodel": "ecmascript"})
    root.set("initial", model.leaf_of(model.initial.path))
    if model.guards:
        data = ET.SubElement(root, "datamodel")
        for name in model.guards:
            ET.SubElement(data, "data", {"id": name, "expr": "0"})
    for state in model.states:
        _scxml_state(root, model, state)
    ET.indent(root)
    return ET.tostring(root, encoding="unicode") + "\n"


def _scxml_state(parent: ET.Element, model: ChartModel, state: StateModel) -> None:
    element = ET.SubElement(parent, "final" if state in model.ends else "state", {"id": state.path})
    if state.substates:
        element.set("initial", model.leaf_of(state.path))
    for tag, actions in (("onentry", state.enter), ("onexit", state.leave)):
        if actions:
            _log(ET.SubElement(element, tag), actions)
    for edge in _of(model, state.path):
        transition = ET.SubElement(element, "transition", {"event": " ".join(edge.events)})
        if edge.guards:
            transition.set("cond", " && ".join(_condition(guard) for guard in edge.guards))
        if edge.target is not None:
            transition.set("target", edge.target)
        _log(transition, edge.actions)
    for sub in state.substates:
        _scxml_state(element, model, sub)


def _condition(guard: str) -> str:
    negated = guard.removeprefix("not ")
    return guard if negated == guard else f"{negated} == false"


def _log(parent: ET.Element, actions: list[str]) -> None:
    for action in actions:
        ET.SubElement(parent, "log", {"label": action})


def xstate_text(model: ChartModel) -> str:
    """Return a machine configuration for `createMachine` of XState version 5."""
    machine = {
        "id": model.name,
        "description": model.meaning,
        "initial": model.initial.name,
        "meta": {"guards": model.guards, "actions": {name: one.meaning for name, one in model.actions.items()}},
        "states": {state.name: _xstate_state(model, state) for state in model.states},
    }
    return json.dumps(machine, indent=2) + "\n"


def _xstate_state(model: ChartModel, state: StateModel) -> dict[str, object]:
    on: dict[str, list[dict[str, object]]] = {}
    for edge in _of(model, state.path):
        for event in edge.events:
            on.setdefault(event, []).append(_xstate_edge(edge))
    found: dict[str, object] = {"id": state.path, "description": state.meaning}
    if state in model.ends:
        found["type"] = "final"
    if state.substates:
        found["initial"] = next((sub.name for sub in state.substates if sub.initial), state.substates[0].name)
        found["states"] = {sub.name: _xstate_state(model, sub) for sub in state.substates}
    found |= {key: actions for key, actions in (("entry", state.enter), ("exit", state.leave)) if actions}
    if on:
        found["on"] = on
    return found


def _xstate_edge(edge: EdgeModel) -> dict[str, object]:
    described: dict[str, object] = {}
    if edge.target is not None:
        described |= {"target": f"#{edge.target}", "reenter": True}
    hold = [guard for guard in edge.guards if not guard.startswith("not ")]
    fail = [guard.removeprefix("not ") for guard in edge.guards if guard.startswith("not ")]
    if len(edge.guards) == 1 and hold:
        described["guard"] = hold[0]
    elif edge.guards:
        described["guard"] = {"type": "all", "params": {"hold": hold, "fail": fail}}
    if edge.actions:
        described["actions"] = edge.actions
    return described


def _of(model: ChartModel, path: str) -> list[EdgeModel]:
    return [edge for edge in model.edges if edge.source == path]
