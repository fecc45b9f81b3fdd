"""The benchmark of the chart measures what it says."""

from __future__ import annotations

from app.bench.chart import bench_chart, idle_conversation, led_call
from statecharts.effects import Drop, StateChanged
from statecharts.stepping import RunningChart


def test_every_fact_of_the_measured_call_leads_somewhere() -> None:
    chart = RunningChart()
    effects = [effect for event in led_call() for effect in chart.step(event)]
    assert not [effect for effect in effects if isinstance(effect, Drop)]
    assert chart.context.turn == 2
    states = [effect.new_state for effect in effects if isinstance(effect, StateChanged)]
    assert "INTERRUPT" in states


def test_the_idle_session_waits_after_its_turns() -> None:
    conversation = idle_conversation()
    assert conversation.record.state == "IDLE.away"
    assert conversation.chart.context.turn == 10
    assert not conversation.chart.context.timers


def test_both_engines_are_measured_in_one_run() -> None:
    found = bench_chart(repeat=30)
    assert found.library.step.median_us > found.table.step.median_us > 0
    assert found.library.chart_bytes > found.table.chart_bytes > 0
    assert found.idle_session_bytes > found.table.chart_bytes
