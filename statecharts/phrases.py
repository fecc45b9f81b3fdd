"""What we say of our own accord, each text in several variants; the sentences themselves are the user's to write.

They stand in one file, `app/dialogue/texts.toml`; here is only what there is to be said, and which variant when.
"""

from __future__ import annotations

from typing import TypeAlias

from msgspec import Struct

__all__ = ["Fillers", "Phrases", "Variants", "chosen"]

Variants: TypeAlias = tuple[str, ...]
"""Ways to say the same. None: it is not said."""


class Fillers(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What bridges a long wait, by what the caller wants; what needs no looking up needs no filler."""

    question: Variants = ()
    """Also said while it is not known what the caller wants."""
    help: Variants = ()
    repeat: Variants = ()

    def for_intent(self, intent: str) -> Variants:
        """Return the fillers that suit an intent; an unknown one is taken for a question."""
        return {"": self.question, "question": self.question, "help": self.help, "repeat": self.repeat}.get(intent, ())


class Phrases(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Every text of a conversation that is not an answer from the documents."""

    greeting: Variants = ()
    """Said unasked to a caller who connects."""
    prompt: Variants = ()
    """Said unasked to one who is quiet for long."""
    still_there: Variants = ()
    """Asked of one who is about to be given up for away."""
    filler: Fillers = Fillers()
    hello: Variants = ()
    goodbye: Variants = ()
    thanks: Variants = ()
    help: Variants = ()
    stop: Variants = ()
    yes: Variants = ()
    no: Variants = ()
    nothing_to_repeat: Variants = ()
    apology: Variants = ()
    """Said when no answer came, or none in time."""
    not_heard: Variants = ()
    """Said when the recogniser failed."""

    def reply_to(self, intent: str) -> Variants:
        """Return the fixed reply to an intent; none if it has none."""
        return {
            "greeting": self.hello,
            "goodbye": self.goodbye,
            "thanks": self.thanks,
            "help": self.help,
            "stop": self.stop,
            "yes": self.yes,
            "no": self.no,
        }.get(intent, ())


def chosen(variants: Variants, turn: int, last: str = "") -> str:
    """Return what is said in a turn: another variant in the next one, and never what was said last.

    By counting, not by chance: the same call told again has to say the same. Empty if there is nothing (else) to say.
    """
    left = [text for text in variants if text != last]
    return left[turn % len(left)] if left else ""
