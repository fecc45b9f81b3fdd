"""What always holds of a request in the hands of workers, each in a sentence.

./run verify --chart statecharts.delivery:Delivery --properties statecharts.delivery_properties
"""

from __future__ import annotations

from statecharts.any_chart import ChartAt
from statecharts.delivery import MAX_ATTEMPTS, DeliveryEffect
from statecharts.machine import Step
from statecharts.proving import always

__all__ = [
    "each_state_has_its_task",
    "every_hand_is_counted",
    "no_request_is_worked_on_too_often",
    "what_is_settled_stays_settled",
    "who_fails_for_the_last_time_is_put_aside",
]

_At = Step[ChartAt]
_TASKS = {
    "working": [DeliveryEffect.WORK], "settling": [DeliveryEffect.ACKNOWLEDGE],
    "waiting": [DeliveryEffect.GIVE_BACK], "leaving": [DeliveryEffect.PUT_ASIDE],
}  # fmt: skip


@always(concerns=("begin", "published", "failed", "work", "acknowledge", "give_back", "put_aside"))
def each_state_has_its_task(step: _At) -> bool:
    """Whoever enters a state is asked for what is to be done there, once, and for nothing else."""
    return step.asked(DeliveryEffect) == (_TASKS.get(step.after.state, []) if step.taken else [])


@always(concerns=("begin", "attempts_left"))
def no_request_is_worked_on_too_often(step: _At) -> bool:
    """It is worked on as often as is allowed; handed out once more, it is put aside untouched."""
    if step.move.event != "begin" or step.before.state != "received":
        return True
    wanted = "working" if step.before.chart.attempts <= MAX_ATTEMPTS else "leaving"
    return bool(step.after.state == wanted)


@always(concerns=("failed", "more_attempts", "unreachable"))
def who_fails_for_the_last_time_is_put_aside(step: _At) -> bool:
    """A failure at the last attempt puts it aside; one before, and a log that is away, give it back."""
    if step.move.event == "failed" and step.before.state == "working":
        return bool(step.after.state == ("leaving" if step.before.chart.attempts >= MAX_ATTEMPTS else "waiting"))
    away = step.move.event == "unreachable" and step.before.state in ("working", "settling", "leaving")
    return not away or bool(step.after.state == "waiting")


@always(concerns=("handed_out", "orphaned", "count"))
def every_hand_is_counted(step: _At) -> bool:
    """Being handed out counts as an attempt, whatever became of the one before; nothing else does."""
    before, after = step.before.chart.attempts, step.after.chart.attempts
    handed = bool(step.taken) and step.move.event in ("handed_out", "orphaned")
    return bool(after == (min(before + 1, MAX_ATTEMPTS + 1) if handed else before))


@always(concerns=("settled",))
def what_is_settled_stays_settled(step: _At) -> bool:
    """An answered request ends as done, one put aside as dead, and nothing leads out of either."""
    if step.before.state in ("done", "dead"):
        return bool(step.after.state == step.before.state) and not step.asked(DeliveryEffect)
    ends = {"settling": "done", "leaving": "dead"}
    settled = step.move.event == "settled" and step.before.state in ends
    return not settled or bool(step.after.state == ends[step.before.state])
