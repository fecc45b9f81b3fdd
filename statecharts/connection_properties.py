"""What always holds of a client's link, each in a sentence.

./run verify --chart statecharts.connection:Connection --properties statecharts.connection_properties
"""

from __future__ import annotations

from statecharts.any_chart import ChartAt
from statecharts.connection import LinkEffect
from statecharts.machine import Step
from statecharts.proving import always

__all__ = [
    "a_client_is_greeted_before_it_hears_us",
    "a_client_that_comes_gets_what_it_did_not_play",
    "the_log_knows_whether_a_client_is_there",
    "what_is_over_stays_over",
    "who_is_there_says_so",
]

_At = Step[ChartAt]
_PRESENT = ("connecting", "greeting", "live")


@always(concerns=("client_came", "client_left", "connect", "disconnect"))
def the_log_knows_whether_a_client_is_there(step: _At) -> bool:
    """The log was told of a client while one is there, and was told that it is gone when none is."""
    asked, after = step.asked(LinkEffect), step.after
    came = LinkEffect.CONNECT in asked
    left = LinkEffect.DISCONNECT in asked
    told = (step.before.chart.logged or came) and not left
    return told == after.chart.logged and (after.state == "closed" or after.chart.logged == (after.state in _PRESENT))


@always(concerns=("welcomed", "caught_up", "client_joined", "client_replaced", "greet", "go_on"))
def a_client_is_greeted_before_it_hears_us(step: _At) -> bool:
    """Each client, whoever was there before, is told where the conversation stands; then it hears us."""
    asked = step.asked(LinkEffect)
    entered = bool(step.taken) and step.after.state == "greeting" and step.taken[-1].target is not None
    heard = step.after.state == "live" and step.before.state != "live"
    return (
        (LinkEffect.GREET in asked) == entered
        and (LinkEffect.GO_ON in asked) == heard
        and (not heard or step.before.state == "greeting")
    )


@always(concerns=("client_came", "client_replaced", "send_again"))
def a_client_that_comes_gets_what_it_did_not_play(step: _At) -> bool:
    """What was sent and not played is sent again to a client that has nothing of it, and to no other."""
    wanted = bool(step.taken) and step.move.event in ("client_came", "client_replaced")
    return (LinkEffect.SEND_AGAIN in step.asked(LinkEffect)) == wanted


@always(concerns=("taken_for_gone", "claim"))
def who_is_there_says_so(step: _At) -> bool:
    """A client that was taken for gone, and that the log had answered, is claimed to be there; it notices nothing."""
    claims = LinkEffect.CLAIM in step.asked(LinkEffect)
    wanted = step.move.event == "taken_for_gone" and step.before.state in ("greeting", "live")
    return claims == wanted and (not claims or step.before.state == step.after.state)


@always(concerns=("over",))
def what_is_over_stays_over(step: _At) -> bool:
    """Nothing leads out of a call that is over, and nothing is done about it any more."""
    if step.move.event == "over" and step.after.state != "closed":
        return False
    return step.before.state != "closed" or (step.after.state == "closed" and not step.asked(LinkEffect))
