"""What we say of our own accord; every sentence of it can be replaced by the user's."""

from __future__ import annotations

from msgspec import Struct

__all__ = ["Phrases"]


class Phrases(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The fixed sentences of a conversation. An empty one is not spoken."""

    greeting: str = ""
    """Said unasked when a caller connects; off by default."""
    filler: str = "Let me see."
    hello: str = "Hello. What would you like to know?"
    goodbye: str = "Goodbye."
    thanks: str = "You are welcome."
    help: str = "Ask me about anything in the documents I was given. You can interrupt me at any time."
    stop: str = "Okay."
    yes: str = "All right. What would you like to know?"
    no: str = "Okay."
    nothing_to_repeat: str = "I have not said anything yet."
    apology: str = "Sorry, I could not get an answer in time. Please ask me again."

    def reply_to(self, intent: str) -> str:
        """Return the fixed reply to an intent; empty if it has none."""
        return {
            "greeting": self.hello,
            "goodbye": self.goodbye,
            "thanks": self.thanks,
            "help": self.help,
            "stop": self.stop,
            "yes": self.yes,
            "no": self.no,
        }.get(intent, "")
