"""For charts of one's own: properties of any python-statemachine chart, tried everywhere the chart can get to.

from voicechart.proving import Move, always

@always
def never_moves_with_open_doors(step):
    '''The car never moves with its doors open.'''
    return not (step.after.state == "moving" and step.after.chart.doors_open)

def test_the_elevator(verify_chart):  # a fixture that comes with voicechart
    verify_chart(Elevator, never_moves_with_open_doors)
"""

from __future__ import annotations

import sys

from voicechart.launcher import ROOMS

if ROOMS.is_dir() and str(ROOMS) not in sys.path:  # installed; in a checkout the rooms are on the path already
    sys.path.append(str(ROOMS))

from statecharts.any_chart import ChartAt
from statecharts.machine import Move, Step
from statecharts.proving import Finding, Property, Run, along, always, overall

__all__ = ["ChartAt", "Finding", "Move", "Property", "Run", "Step", "along", "always", "overall"]
