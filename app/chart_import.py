"""Charts and properties of the user's own, found by their import paths."""

from __future__ import annotations

from types import ModuleType

from app.settings import BadSetting
from diagrams.load import BadChart, chart_class, module_of
from statecharts.any_chart import AnyChart

__all__ = ["import_chart", "import_module"]


def import_chart(path: str) -> type[AnyChart]:
    """Return the chart class at `package.module:Class`; the present folder is looked into as well.

    Raises:
        BadSetting: There is none; the message says what there is.
    """
    try:
        return chart_class(path)
    except BadChart as error:
        raise BadSetting(str(error)) from error


def import_module(name: str) -> ModuleType:
    """Return a module by its dotted name; the present folder is looked into as well.

    Raises:
        BadSetting: It cannot be imported; the message says why.
    """
    try:
        return module_of(name)
    except BadChart as error:
        raise BadSetting(str(error)) from error
