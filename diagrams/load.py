"""Finds a chart by its import path: `package.module:Class`."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from statemachine import State, StateChart

from diagrams.extract import conversation_model, extract
from diagrams.model import ChartModel
from statecharts.conversation import ConversationChart
from statecharts.events import VoicechartError

__all__ = ["BadChart", "chart_class", "model_of", "module_of"]


class BadChart(VoicechartError):
    """A chart that cannot be had, or not be drawn; the message says why."""


def model_of(path: str = "") -> ChartModel:
    """Return the model of the chart at an import path; of the conversation if there is none.

    Raises:
        BadChart: It cannot be imported, is no chart, or declares what a table cannot hold.
    """
    if not path:
        return conversation_model()
    chart = chart_class(path)
    if chart is ConversationChart:
        return conversation_model()
    for outer in chart.states:
        _must_fit(outer, path)
    try:
        return extract(chart)
    except ValueError as error:
        raise BadChart(f"{path} cannot be drawn: {error}") from error


def chart_class(path: str) -> type[StateChart[Any]]:
    """Return the class at an import path; the folder one stands in is searched last.

    Raises:
        BadChart: It cannot be imported, or is no chart.
    """
    module_name, _, name = path.partition(":")
    if not (module_name and name):
        raise BadChart(f"a chart is named package.module:Class, this is {path!r}")
    module = module_of(module_name)
    found = getattr(module, name, None)
    charts = [
        other
        for other, thing in vars(module).items()
        if isinstance(thing, type) and issubclass(thing, StateChart) and thing.__module__ == module.__name__
    ]
    if not (isinstance(found, type) and issubclass(found, StateChart)):
        raise BadChart(
            f"{path}: {name} is {'no StateChart' if found is not None else 'not there'}; "
            f"{module_name} has {', '.join(charts) or 'no chart'}"
        )
    if not list(found.states):
        raise BadChart(f"{path} declares no states")
    return found


def module_of(name: str) -> ModuleType:
    """Return a module by its dotted name; the folder one stands in is searched last.

    Raises:
        BadChart: It cannot be imported.
    """
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)
    try:
        return importlib.import_module(name)
    except Exception as error:  # whatever a stranger's module does when it is imported
        told = str(error).splitlines()[0] if str(error) else ""
        where = f"; looked for among what is installed, and below {here}" * isinstance(error, ModuleNotFoundError)
        raise BadChart(f"{name} cannot be imported: {type(error).__name__}: {told}{where}") from error


def _must_fit(state: State, path: str) -> None:
    """Raise BadChart if a state is of a kind that a table cannot hold."""
    inner_end = bool(state.final and state.parent is not None)
    kinds = (
        ("is parallel", state.parallel),
        ("is an end inside of it", inner_end),
        ("has a history", bool(state.history)),
    )
    odd = next((kind for kind, holds in kinds if holds), "")
    if odd:
        raise BadChart(
            f"{path} cannot be drawn: {state.id} {odd}; a chart here is made of states and substates, one of which is "
            "active at a time"
        )
    for sub in state.states:
        _must_fit(sub, path)
