"""What a client is told of the conversation, numbered, so that one who comes back can say what it has."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import msgspec

from app.gateway.services import Message

__all__ = ["Told", "is_message_id", "missed_messages"]

_MESSAGE_ID = re.compile(r"[0-9]{1,18}(-[0-9]{1,18})?(\.[0-9]{1,9})?")


def is_message_id(text: str) -> bool:
    """Return whether this may be the id of a message, or of an event, whose place in the log it is."""
    return _MESSAGE_ID.fullmatch(text) is not None


def _place(message_id: str) -> tuple[int, ...]:
    return tuple(map(int, re.split(r"[-.]", message_id)))


class Told:
    """Turns effects into messages. The n-th of those that a fact led to is called `<the fact's position>.n`."""

    def __init__(self) -> None:
        self.position = ""
        self._number = 0
        self._guessed: list[Message] = []
        """The text of what is prepared for a turn that may not come."""

    def begin(self, position: str) -> None:
        """What follows comes of the fact at this position."""
        self.position, self._number = position, 0

    def messages(self, effect: Mapping[str, object]) -> list[Message]:
        """Return what a client is told of one effect."""
        told = self._messages(effect)
        for message in told:
            self._number += 1
            message["id"] = f"{self.position}.{self._number}"
        return told

    def _messages(self, effect: Mapping[str, object]) -> list[Message]:
        match effect["effect"]:
            case "Speak" if not effect.get("again"):
                fields = {name: effect[name] for name in ("text", "is_final", "turn", "kind")}
                answer: Message = {"type": "answer", "payload": fields}
                if not effect.get("speculative"):
                    return [answer]
                self._guessed.append(answer)
            case "CommitSpeech":
                told, self._guessed = self._guessed, []
                return told
            case "CancelSpeech":
                self._guessed = []
            case "Playout" if effect["action"] == "stop":
                self._guessed = []
            case "StateChanged" if effect["trigger"] != "connected":
                payload = {name: value for name, value in effect.items() if name != "effect"}
                return [{"type": "orchestrator_state", "payload": {**payload, "state": effect["new_state"]}}]
            case "SetMicGate":
                return [{"type": "mic", "payload": {"gate": effect["gate"]}}]
            case "Withdrawn":
                return [{"type": "withdrawn", "payload": {"turn": effect["turn"]}}]
            case "ShowTranscript":
                fields = {name: effect[name] for name in ("text", "confidence", "turn", "origin")}
                return [{"type": "stt_final" if effect["is_final"] else "stt_partial", **fields}]
        return []


class _Record(msgspec.Struct):
    position: str
    effects: list[dict[str, object]]


def missed_messages(journal: Iterable[bytes], after: str, upto: str) -> list[Message]:
    """Return the messages behind `after`, up to those of the fact at `upto`.

    Args:
        journal: The session's records in order, from some time before `after` on.
        after: A message's id, or a fact's position.
        upto: A fact's position.
    """
    told, known, last = Told(), _place(after), _place(upto)
    missed: list[Message] = []
    for data in journal:
        record = msgspec.json.decode(data, type=_Record)
        if _place(record.position) > last:
            break
        told.begin(record.position)
        for effect in record.effects:
            missed += [message for message in told.messages(effect) if _place(str(message["id"])) > known]
    return missed
