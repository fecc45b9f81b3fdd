"""Whether every request was answered, and whether results were acted on that nobody waited for any more."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from app.folding import JournalRecord
from app.history.records import Found, History, acted_on, asked
from statecharts.effects import CancelSpeech, CancelTasks, Playout, RequestAnswer, RequestIntent, Speak, TurnEnded
from statecharts.events import Envelope

__all__ = ["acts_on_no_late_result", "answers_every_request"]

_RESULTS = ("voice.intent.detected", "voice.intent.failed", "voice.rag.answer_ready", "voice.rag.failed")
_SPOKEN = ("voice.tts.chunk_ready", "voice.tts.done", "voice.tts.failed")


class _Cancelled:
    """Which requests are still waited for, as the journal tells."""

    def __init__(self) -> None:
        self._open: dict[int, set[str]] = defaultdict(set)
        self.over: dict[str, str] = {}
        """Requests that nobody waits for any more, and why."""

    def take(self, record: JournalRecord) -> None:
        """Take the next record."""
        for effect in record.effects:
            match effect:
                case RequestAnswer() | Speak():
                    self._open[effect.turn].add(effect.request_id)
                    self.over.pop(effect.request_id, None)
                case CancelTasks():
                    self._close(effect.turn, "was cancelled", ".answer", spoken=False)
                case CancelSpeech():
                    self._close(effect.turn, "is not to be spoken any more", "", spoken=True)
                case Playout() if effect.action != "stop":
                    self._open_again(effect.turn)
                case TurnEnded() if effect.user_text:
                    self._close(effect.turn, "belongs to a turn that is over", "", spoken=True)

    def _open_again(self, turn: int) -> None:
        """What was given up can be heard all the same, and is not stopped yet: what is said of it counts."""
        for request in self._open[turn]:
            if _is_spoken(request):
                self.over.pop(request, None)

    def _close(self, turn: int, why: str, infix: str, *, spoken: bool) -> None:
        for request in self._open[turn]:
            if infix in request and (spoken or not _is_spoken(request)):
                self.over.setdefault(request, f"{request} {why}")


def _is_spoken(request: str) -> bool:
    """Return whether a request is one of the voice: `1.answer.2`, `1.answer.g1.2`; of retrieval: `1.answer.g1`."""
    parts = request.split(".")
    return len(parts) > 2 and parts[-1].isdigit()


def acts_on_no_late_result(history: History) -> Found:
    """Nothing that workers or voices bring for a request that was given up is acted on."""
    cancelled = _Cancelled()
    for record in history.journal:
        fact = history.facts.get(record.position)
        if fact is not None and acted_on(record) and fact.event_type in (*_RESULTS, *_SPOKEN):
            why = cancelled.over.get(_request_of(fact), "")
            if why:
                yield history.wrong("no late result is acted on", f"{fact.event_type}, and {why}", record.position)
        cancelled.take(record)


def answers_every_request(history: History) -> Found:
    """Every request for an intent or an answer is answered, or fails in the end; none is left for ever."""
    if not history.finished:
        return
    answered = {_request_of(fact) for fact in history.facts.values() if _is_last(fact)}
    for request, position in _requests(history.journal):
        if request not in answered:
            yield history.wrong("no request is left for ever", f"{request} was never answered", position)


def _requests(journal: Iterable[JournalRecord]) -> Iterable[tuple[str, str]]:
    for record in journal:
        yield from ((effect.request_id, record.position) for effect in asked(record, RequestIntent))
        yield from ((effect.request_id, record.position) for effect in asked(record, RequestAnswer))


def _is_last(fact: Envelope) -> bool:
    """Return whether a fact is the last that comes for its request."""
    if fact.event_type == "voice.rag.answer_ready":
        return bool(fact.payload.get("is_final"))
    return fact.event_type in _RESULTS


def _request_of(fact: Envelope) -> str:
    return str(fact.payload.get("request_id", ""))
