"""Every number of turn-taking, with its unit and its reason, in one place."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

__all__ = ["Policy"]


class Policy(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How patient, how alert and how persistent we are. All times are seconds."""

    settle_s: float = 0.16
    """Silence after which a voice counts as fallen silent: five detector chunks. In 42 of 42 recordings the words
    known after 0.1 s of silence were those known after 0.4 s, so recognising may begin here."""

    recognise_ahead_s: float = 0.064
    """Silence after which the words so far are recognised in case the voice has ended; 0: not before it counts as
    ended. Two detector chunks: so the words are known as it falls silent, 0.1 s earlier. A voice that goes on wastes
    a recognition, 0.1 to 0.2 s of one core."""

    end_of_turn_s: float = 0.4
    """Silence after the true end of the voice that ends the turn. People leave 0.2 s between turns; pauses inside read
    sentences reach 0.4 s in one recording out of ten, and an early end can be withdrawn."""

    adaptive_end_of_turn: bool = True
    """Whether that silence is graded by what was said (`endpointing.grade`); else it is always the same."""

    end_of_turn_min_s: float = 0.2
    """The silence that is enough when all signs say that the turn is over: what people leave between turns."""

    end_of_turn_max_s: float = 0.9
    """The silence that is waited for when words are being looked for; beyond a second one is asked "hello?"."""

    final_wait_s: float = 4.0
    """Longest wait for the recogniser after the turn's end: five times what it needs for 10 s of speech."""

    hearing_max_s: float = 25.0
    """A voice without end is borne this long; and again as long as it brings new words."""

    partial_every_s: float = 0.6
    """How often the words so far are shown while the caller speaks; each costs a recognition of its own, and while the
    recogniser is busy they come less often."""

    away_s: float = 60.0
    """Quiet after which nobody is there. The connection stays, a word wakes us, so only the display changes."""

    greeting_after_s: float = 0.0
    """A caller who has connected and says nothing for so long is greeted; 0 is never, for most callers come with a
    question. Half a second lets the line open, and whoever speaks at once is not talked over."""

    prompt_after_s: float = 0.0
    """Quiet after something of ours was heard before the floor is offered once more; 0 is never, since a caller who
    thinks is not to be hurried. Below some 8 s it would be taken for impatience."""

    prompts_max: int = 2
    """How often that is done after one answer: who did not react twice will not react to a third time."""

    still_there_s: float = 0.0
    """So long before a caller is given up for away they are asked whether they are still there, and have this time to
    say so; 0 is never asked, since being away costs nothing. 10 s are enough to come back to the telephone."""

    answer_deadline_s: float = 5.0
    """Longest silence between the end of a turn and our first sound: then we apologise (callers hang up or repeat
    themselves from about 4 s on)."""

    apology_wait_s: float = 3.0
    """Longest wait for the apology's own audio: after it the floor goes back to the caller in silence."""

    intent_wait_s: float = 0.3
    """Longest an answer waits for the intent; later it is spoken as the answer to a question."""

    filler_after_s: float = 0.0
    """Thinking longer than this is bridged by a filler; 0 is never, since most answers come within half a second."""

    speculation: Literal["off", "text", "voice"] = "voice"
    """What is made ready while the caller may be done: nothing, the answer's text, or its sound as well. A wrong guess
    costs some 50 ms of one core for the text and 0.1 s for the first sound; a right one saves both."""

    withdraw_s: float = 0.5
    """Until so long after our first sound, a caller who goes on takes the turn back. With the end of turn and the
    making of an answer before it, this covers a pause of about a second."""

    interruptible: bool = True
    """False: what is said over our answer is dropped."""

    pausable: bool = True
    """Whether the player can go on at the sample where it was paused; both of ours can."""

    barge_in_speech_s: float = 0.4
    """Voice over our answer before ducked becomes paused. Coughs and "mm-hmm" are mostly shorter."""

    barge_in_min_words: int = 0
    """If above 0, only so many words, added up over one answer, pause or stop it; too few are no verdict."""

    barge_in_confidence: float = 0.3
    """A few last words over our answer of which the recogniser is less sure are no verdict; 0: all count. Of 94
    recorded coughs that the detector takes for a voice, 15 stopped the answer without this and without laughs among
    the backchannels, 3 do now; of 28 recordings of somebody speaking none fails to."""

    false_interruption_s: float = 1.0
    """Quiet after a doubtful barge-in before the answer resumes, when the recogniser gave no verdict earlier: mostly it
    does, after 0.3 s, but a hum takes it a second. Sooner, an answer would go on under words that a busy machine knows
    late; those stop it once more."""

    interrupt_max_s: float = 10.0
    """Sound without words over our answer (a vacuum cleaner) that is borne this long before the answer resumes."""

    echo_min_words: int = 2
    """Where nothing cancels our echo, so many words that are not ours pause or stop the answer, and nothing less: what
    the detector hears may be our own voice, and a single word one of ours, misheard."""

    echo_warmup_s: float = 0.0
    """After our first sound, the detector alone may not pause or stop for so long (an echo canceller settles)."""

    playout_margin_s: float = 1.0
    """How long after the expected end of its audio a client may report that it was played: jitter buffers grow to
    0.2 s, players start late."""

    stall_s: float = 3.0
    """How long a started answer may be without new audio before we give up on the rest of it."""

    heard_wait_s: float = 1.0
    """Longest wait for the report of what was heard of an answer that was cut; then it is estimated."""

    resume_s: float = 60.0
    """How long a session waits for a client that went away without hanging up."""

    backchannels: tuple[str, ...] = (
        "mm-hmm", "mhm", "mm", "m", "hmm", "hm", "uh-huh", "huh", "oh", "ah", "yeah", "yep", "right", "okay", "ok",
        "i see", "aha", "ha", "haha", "hahaha",
    )  # fmt: skip
    """Said over our answer, these mean "go on", alone and together. A hum is spelt in many ways ("MMM.", "Oh."), and a
    cough is often taken for a laugh."""
