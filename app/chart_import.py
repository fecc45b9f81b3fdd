"""Charts and properties of the user's own, found by their import paths."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType

from statemachine import StateChart

from app.settings import BadSetting
from statecharts.any_chart import AnyChart

__all__ = ["import_chart", "import_module"]


def import_chart(path: str) -> type[AnyChart]:
    """Return the chart class at `package.module:Class`; the present folder is looked into as well.

    Raises:
        BadSetting: There is none; the message says what there is.
    """
    module_name, _, name = path.partition(":")
    if not name:
        raise BadSetting(f"a chart is named package.module:Class, this is {path!r}")
    module = import_module(module_name)
    found = getattr(module, name, None)
    if isinstance(found, type) and issubclass(found, StateChart):
        return found
    charts = [
        key for key, value in vars(module).items()
        if isinstance(value, type) and issubclass(value, StateChart) and value.__module__ == module.__name__
    ]  # fmt: skip
    raise BadSetting(
        f"{path}: {name} is {'no StateChart' if found is not None else 'not there'}; "
        f"{module_name} has {', '.join(charts) or 'no chart'}"
    )


def import_module(name: str) -> ModuleType:
    """Return a module by its dotted name; the present folder is looked into as well.

    Raises:
        BadSetting: It cannot be imported; the message says why.
    """
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)
    try:
        return importlib.import_module(name)
    except Exception as error:
        told = str(error).splitlines()[0] if str(error) else ""
        raise BadSetting(f"{name} cannot be imported: {type(error).__name__}: {told}") from error
