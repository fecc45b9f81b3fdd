"""Tells from the words alone what kind of thing was said."""

from __future__ import annotations

import re
from difflib import get_close_matches

from adapters.answers.port import IntentName, Judgement

__all__ = ["RuleIntents"]

_PHRASES: dict[IntentName, str] = {
    "stop": """
        stop; stop it; stop that; stop this; stop there; stop here; stop right there; stop talking; stop talking
        about it; stop talking about that; stop speaking; stop reading; quit; quit it; quit talking; be quiet;
        be silent; be still; quiet; silence; hush; shush; sh; shut up; cancel; cancel it; cancel that; cancel
        this; abort; pause; enough; thats enough; that is enough; never mind; nevermind; forget it; forget that;
        forget about it; wait; wait a moment; wait a minute; wait a second; hold on; hang on; skip; skip it;
        skip that; skip this; one moment; one second; one minute; a moment; a second; stop the answer; stop
        answering; stop your answer; stop reading it
    """,
    "goodbye": """
        bye; bye bye; byebye; goodbye; good bye; bye for now; good night; goodnight; farewell; so long; ciao;
        cheerio; see you; see you later; see you soon; see you tomorrow; see you then; see you around; see you
        next time; see ya; see ya later; talk to you later; talk to you soon; talk to you tomorrow; have a nice
        day; have a good day; have a great day; have a good one; have a nice evening; have a good evening; have
        a good night; have a nice weekend; have a good weekend; take care; hang up; thats all; that is all;
        thatll be all; that will be all; i have to go; ive got to go; i got to go; i gotta go; i must go; i need
        to go; until next time; till next time; end the call; end call; end the conversation; thats it; that is
        it; im done; i am done; were done; we are done
    """,
    "repeat": """
        repeat; repeat it; repeat that; repeat this; repeat yourself; repeat what you said; repeat what you just
        said; repeat the answer; repeat the last answer; repeat your answer; repeat your last answer; repeat the
        last sentence; say that again; say it again; say this again; say again; say that once more; say it once
        more; say that one more time; tell me again; tell me that again; what did you say; what did you just
        say; what have you said; what was that; what; pardon; pardon me; i beg your pardon; beg your pardon;
        come again; once more; one more time; again; sorry; excuse me; huh; eh; i did not hear you; i didnt hear
        you; i cant hear you; i cannot hear you; i couldnt hear you; i did not hear that; i didnt hear that; i
        couldnt hear that; i did not catch that; i didnt catch that; i didnt get that; i did not get that; i did
        not understand; i didnt understand; i did not understand that; i didnt understand that; i missed that;
        what did you just tell me; what did you tell me; repeat the last thing you said; say it one more time;
        say that slowly; say it slowly; more slowly; a bit slower; slower; i did not hear what you said; i didnt
        hear what you said
    """,
    "help": """
        help; help me; help us; help me out; i need help; i need some help; i need your help; some help; help
        needed; give me help; give me some help; how can you help; how can you help me; what can i ask; what can i
        ask you; what can i say; what should i ask; what should i say; what do i say; what can i do here; i dont
        know what to say; i dont know what to ask; i do not know what to say; i do not know what to ask
    """,
    "no": """
        no; nope; nah; no way; not really; not now; not at all; of course not; certainly not; negative; rather
        not; i dont think so; i do not think so; i dont; i do not; no thank you; no thanks; absolutely not;
        definitely not; never; no never
    """,
    "thanks": """
        thanks; thanks a lot; thanks so much; thanks very much; thanks a million; many thanks; thanks you; thank
        you; thank u; thank you so much; thank you very much; thank you kindly; thanks for that; thank you for
        that; thanks for your help; thanks for the help; thank you for your help; thank you for the help;
        cheers; i appreciate it; i appreciate that; much appreciated; thats very kind; that is very kind; thats
        kind of you; thats very helpful; that was helpful; that helps; great; perfect; wonderful; excellent;
        cool; nice; awesome; very good; good job; well done; thanks a bunch; thats great; that is great; thank
        you so much for your help; thanks so much for your help; thanks mate; cheers mate; thats perfect; thats
        good; good
    """,
    "yes": """
        yes; yes thank you; yes thanks; yes i do; yeah; yep; yup; yea; sure; sure thing; of course; certainly;
        correct; thats right; that is right; thats correct; thats fine; right; exactly; absolutely; definitely;
        indeed; mm hmm; mhm; mmhmm; uh huh; aha; go ahead; go on; do it; do that; please do; ok; okay; alright;
        all right; fine; affirmative; i do; i think so; sounds good
    """,
    "greeting": """
        hello; hello there; hi; hi there; hey; hey there; hiya; howdy; hullo; greetings; welcome; good morning; good
        afternoon; good evening; good day; how are you; how are you doing; how are you today; how are you doing
        today; how do you do; hows it going; how is it going; how are things; whats up; anyone there; anybody there;
        is anyone there; is anybody there; anybody home; are you there; you there; are you still there; can you hear
        me; do you hear me; nice to meet you; pleased to meet you; good to meet you; test; testing
    """,
}
"""What is said, by what it means. Where an utterance is several of these, the intent named first counts: "no, stop"
is a stop, "thanks, bye" a goodbye."""

_COURTESY = """
    please; now; right now; then; so; well; um; uh; er; hm; oh; ah; just; but; and; for me; my friend; there;
    already; can you; could you; would you; will you; can you please; could you please; voicechart; computer;
    assistant; everyone; ok; okay; alright; all right; sorry; actually; maybe; i said
"""
"""What may stand around any phrase without changing it."""

_DOUBTFUL = frozenset(
    {
        "what",
        "sorry",
        "again",
        "great",
        "cool",
        "nice",
        "right",
        "fine",
        "huh",
        "eh",
        "skip",
        "test",
        "so long",
        "a second",
    }
)
"""Phrases that may as well be a scrap of something longer."""

_CLEAR, _UNCLEAR = 0.97, 0.75
"""Confidence in a known phrase, and in a doubtful one. Rules cannot measure it: the figures only put them in order."""

_MAX_WORDS = 16
"""Longer than any phrase with all the courtesy around it."""

_NAME_WORDS = 3
"""Longest name, in words, that may stand between two greetings: recognisers write "Jim and I" for "Gemini"."""

_QUESTION_WORDS = """
    what whats who whos whom whose where wheres when why how hows which is are was were do does did can could will would
    should has have tell describe explain
"""
_ASKING = frozenset(_QUESTION_WORDS.split())

_CORRECTED_RATIO = 0.88
"""Likeness (`difflib`) from which a word is a mistyped one: "helo" is "hello", but "cancer" is not "cancel"."""


def _phrases(text: str) -> list[tuple[str, ...]]:
    return [tuple(phrase.split()) for phrase in text.split(";")]


class RuleIntents:
    """An `IntentClassifier` of rules: an utterance made of nothing but known phrases means what they mean.

    So "stop" stops, and "how do I stop the server" is a question, as is everything else.
    """

    def __init__(self) -> None:
        self._intents = {phrase: intent for intent, text in _PHRASES.items() for phrase in _phrases(text)}
        self._courtesy = frozenset(_phrases(_COURTESY))
        self._known = self._intents.keys() | self._courtesy
        self._longest = max(map(len, self._known))
        self._words = {word for phrase in self._known for word in phrase}
        self._correctable = sorted(word for word in self._words if len(word) >= 4)

    def classify(self, text: str) -> Judgement:
        """Judge one utterance by its words; case, punctuation and politeness do not count."""
        said = _words(text)
        words = [self._corrected(word) for word in said] if len(said) <= _MAX_WORDS else said
        phrases = self._taken_apart(words)
        # "Okay" alone is a yes, but in "okay, stop" only courtesy.
        telling = [phrase for phrase in phrases if phrase not in self._courtesy] or phrases
        meant = {self._intents[phrase]: phrase for phrase in telling if phrase in self._intents}
        for intent in _PHRASES:
            if intent in meant:
                clear = " ".join(meant[intent]) not in _DOUBTFUL and words == said
                return Judgement(intent=intent, confidence=_CLEAR if clear else _UNCLEAR)
        if self._greets_by_name(words, text):
            return Judgement(intent="greeting", confidence=_UNCLEAR)
        return Judgement(intent="question", confidence=_confidence_in_question(said))

    def _corrected(self, word: str) -> str:
        if word in self._words:
            return word
        return next(iter(get_close_matches(word, self._correctable, n=1, cutoff=_CORRECTED_RATIO)), word)

    def _greets_by_name(self, words: list[str], text: str) -> bool:
        """Return whether these are a greeting and a name: "hello Gemini, are you there", "Anna, can you hear me"."""
        lengths = range(1, self._longest + 1)
        opening = max((n for n in lengths if self._intents.get(tuple(words[:n])) == "greeting"), default=0)
        closing = max((n for n in lengths if self._intents.get(tuple(words[-n:])) == "greeting"), default=0)
        name = words[opening : len(words) - closing]
        if not name or not _ASKING.isdisjoint(name):
            return False
        if not opening:
            return len(name) <= _NAME_WORDS <= closing
        return (
            len(name) <= _NAME_WORDS if closing else len(name) == 1 and name[0].capitalize() in text.split(None, 1)[1]
        )

    def _taken_apart(self, words: list[str]) -> list[tuple[str, ...]]:
        """Return the known phrases that words are made of, longest first at each place; none if anything is left."""
        phrases = []
        place = 0
        while place < len(words):
            candidates = (tuple(words[place : place + length]) for length in range(self._longest, 0, -1))
            phrase = next((candidate for candidate in candidates if candidate in self._known), None)
            if phrase is None:
                return []
            phrases.append(phrase)
            place += len(phrase)
        return phrases


def _words(text: str) -> list[str]:
    """Return the words of an utterance without case, apostrophes and letters drawn out ("hellooo")."""
    plain = re.sub(r"['’]", "", text.casefold())
    return re.findall(r"[^\W_]+", re.sub(r"([^\W\d_])\1{2,}", r"\1", plain))


def _confidence_in_question(words: list[str]) -> float:
    if not words:
        return 0.0
    if not _ASKING.isdisjoint(words[:4]):
        return 0.95
    return 0.8 if len(words) >= 3 else 0.6
