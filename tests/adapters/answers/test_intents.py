"""What kind of thing was said."""

from __future__ import annotations

import pytest

from adapters.answers.intents import RuleIntents
from adapters.answers.port import IntentName

SAID: dict[IntentName, tuple[str, ...]] = {
    "stop": (
        "Stop.",
        "stop talking",
        "Quit!",
        "be quiet",
        "cancel",
        "okay, stop",
        "no, stop",
        "Could you please stop now?",
    ),
    "repeat": (
        "repeat that",
        "Say that again?",
        "What did you say?",
        "Pardon?",
        "come again",
        "can you repeat that please",
        "could you say it again more slowly",
        "I didn't hear what you said",
    ),
    "thanks": ("Thank you.", "thanks a lot", "okay thanks"),
    "goodbye": ("Bye.", "goodbye!", "see you", "thanks, bye", "okay, thank you, goodbye"),
    "yes": ("yes", "Yeah.", "sure", "yes please", "okay", "mm-hmm"),
    "no": ("no", "Nope.", "no no no", "no thanks", "I don’t think so."),
    "help": ("help", "Help me!", "I need help", "hello, can you help me"),
    "greeting": (
        "hello",
        "Hi!",
        "HELLO ARE YOU THERE",
        "How are you?",
        "good morning",
        "hellooo",
        "helo",
        "Hello? Jim and I. Are you there?",
        "hey Jarvis, can you hear me",
        "Jim and I. Are you there?",
        "Hello Anna.",
    ),
    "question": (
        "what is a stop word",
        "how do I stop the server",
        "hello, how old is the bridge",
        "hello prices",
        "hi, opening hours",
        "what is good morning",
        "the river, hello",
        "hello what can you do are you there",
        "thank you, how old is the bridge",
        "no, how long is the bridge",
        "what did you say about the bridge",
        "tell me about greetings",
        "what can you do",
        "who are you",
        "is there help for children",
        "stop sign",
        "cancer",
        "cello",
        "yesterday",
        "don't stop",
        "please",
    ),
}


@pytest.mark.parametrize(
    ("text", "intent"),
    [(text, intent) for intent, texts in SAID.items() for text in texts],
    ids=lambda value: str(value),
)
def test_utterance_has_its_intent(text: str, intent: IntentName) -> None:
    assert RuleIntents().classify(text).intent == intent


@pytest.mark.parametrize("text", ["", "  ", "...", "🙂", "\0", "?" * 10_000])
def test_what_has_no_words_is_a_question_nobody_is_sure_of(text: str) -> None:
    judgement = RuleIntents().classify(text)
    assert (judgement.intent, judgement.confidence) == ("question", 0.0)


def test_confidence_is_higher_in_clear_words_than_in_doubtful_or_corrected_ones() -> None:
    classify = RuleIntents().classify
    assert classify("hello").confidence > classify("helo").confidence
    assert classify("say that again").confidence > classify("what").confidence
    assert classify("how old is the bridge").confidence > classify("bridge").confidence


def test_a_long_run_of_phrases_is_judged_at_once() -> None:
    assert RuleIntents().classify("stop " * 16).intent == "stop"
    assert RuleIntents().classify("no " * 10_000).intent == "no"
