"""The model of a Piper voice (VITS), run in stages, so that its first sound does not wait for its last.

The model makes a sentence in one go. Its stages are taken apart here: the *text* gives how long each phoneme lasts and
a noised latent for all frames; *flow* and *decoder* are convolutions, so a window of frames with enough context on
both sides comes out as in one go. What cannot be taken apart, or comes out differently, is run whole.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, repeat
from pathlib import Path
from typing import NamedTuple, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt
import onnxruntime
import structlog
from onnxruntime.capi import onnxruntime_pybind11_state as onnxruntime_errors

from adapters.voices.onnx_graph import BadGraph, OnnxGraph

__all__ = ["VITS_ERRORS", "Spoken", "StagedVits", "Vits", "WholeVits", "load_vits"]

_log = structlog.get_logger()

Samples: TypeAlias = npt.NDArray[np.float32]

VITS_ERRORS = (
    onnxruntime_errors.Fail,
    onnxruntime_errors.InvalidArgument,
    onnxruntime_errors.InvalidGraph,
    onnxruntime_errors.InvalidProtobuf,
    onnxruntime_errors.NotImplemented,
    onnxruntime_errors.RuntimeException,
)
"""What running a model may raise; none of them is a RuntimeError."""

PCM = "output"
_WITHOUT_NOISE = (0.0, 1.0, 0.0)
FLOW_CONTEXT = 32
"""Frames that a frame of the flow depends on, each side: 4 couplings of 4 convolutions of width 5."""
DECODER_CONTEXT = 12
"""The same of the decoder. With 12 the largest difference to one go is below 5e-6, with 8 it is 2e-3."""
WINDOWS = (16, 32)
"""Frames of the first windows, of 11.6 ms each: a short one is heard early, long ones waste less on context."""
WINDOW = 64
SHORTEST_WINDOW = 8
FLOW_AHEAD = 96
"""Frames the flow runs ahead of what is needed, after the first window: its context is dear."""
TOLERANCE = 1e-3
"""A sample may differ so much from one go, -60 dB of full scale, before the stages are not believed."""


class Spoken(NamedTuple):
    """A sentence being synthesised."""

    id_samples: Sequence[float] | None
    """How many samples each phoneme id lasts; None if the model does not say."""
    windows: Iterator[Samples]


class Vits(Protocol):
    """A loaded model; any number of threads may use it at once."""

    rms: float
    """Of the sentence it was tried with: voices are differently loud."""

    def speak(self, ids: Sequence[int], scales: Sequence[float]) -> Spoken:
        """Synthesise phoneme ids; `scales` are noise, length and noise of the lengths."""


def load_vits(path: Path, sentence: Sequence[int], *, staged: bool = True) -> Vits:
    """Load a model, in stages if that gives the same.

    Args:
        path: The `.onnx` file.
        sentence: Phoneme ids to try it with.
        staged: False runs it whole.
    """
    if staged:
        try:
            return StagedVits(path, sentence)
        except (BadGraph, *VITS_ERRORS) as error:
            _log.warning("voice_not_staged", voice=path.name, reason=str(error).splitlines()[0])
    return WholeVits(path, sentence)


class WholeVits:
    """The model in one go.

    Args:
        path: The `.onnx` file.
        sentence: Phoneme ids to try it with.
    """

    def __init__(self, path: Path, sentence: Sequence[int]) -> None:
        self._session = _session(str(path))
        self._has_speakers = any(given.name == "sid" for given in self._session.get_inputs())
        self.rms = _rms(next(self.speak(sentence, _WITHOUT_NOISE).windows))

    def speak(self, ids: Sequence[int], scales: Sequence[float]) -> Spoken:
        feeds = _feeds(ids, scales)
        if self._has_speakers:
            feeds["sid"] = np.zeros(1, np.int64)
        (pcm,) = self._session.run([PCM], feeds)
        return Spoken(None, iter([pcm.ravel()]))


class StagedVits:
    """The model in three stages.

    Args:
        path: The `.onnx` file.
        sentence: Phoneme ids; that in stages they give what they give in one go is checked with them.

    Raises:
        BadGraph: The model is built in another way, or gives something else in stages.
    """

    def __init__(self, path: Path, sentence: Sequence[int]) -> None:
        graph = OnnxGraph(np.memmap(path, np.uint8, "r").data)
        self._names = names = _find_stages(graph)
        # To optimise the many small operations of the text takes longer (0.3 s) than it ever saves (nothing measured).
        self._text = _session(graph.part([], [names.noised, names.id_frames]), optimise=False)
        self._flow = _session(graph.part([names.noised, names.mask], [names.latent]))
        self._decoder = _session(graph.part([names.latent], [PCM]))
        self._samples_per_frame, self.rms = self._tried(sentence)

    def speak(self, ids: Sequence[int], scales: Sequence[float]) -> Spoken:
        noised, id_frames = self._text.run([self._names.noised, self._names.id_frames], _feeds(ids, scales))
        id_samples = (id_frames.ravel() * self._samples_per_frame).tolist()
        return Spoken(id_samples, self._windows(noised, chain(WINDOWS, repeat(WINDOW))))

    def _windows(self, noised: Samples, sizes: Iterator[int]) -> Iterator[Samples]:
        """Yield the sound of a noised latent of shape (1, channels, frames), window by window."""
        frames = noised.shape[2]
        latent = np.empty((1, noised.shape[1], 0), np.float32)
        begin = 0
        while begin < frames:
            end = begin + next(sizes)
            if frames - end < SHORTEST_WINDOW:
                end = frames
            latent = self._extended(latent, noised, end + DECODER_CONTEXT)
            left, right = max(0, begin - DECODER_CONTEXT), min(frames, end + DECODER_CONTEXT)
            pcm = self._decode(latent[:, :, left:right])
            per_frame = len(pcm) // (right - left)
            yield pcm[(begin - left) * per_frame : (end - left) * per_frame]
            begin = end

    def _extended(self, latent: Samples, noised: Samples, until: int) -> Samples:
        """Return the latent with at least so many frames, or all there are."""
        have, frames = latent.shape[2], noised.shape[2]
        if have >= min(until, frames):
            return latent
        until = min(frames, until + FLOW_AHEAD if have else until)
        left, right = max(0, have - FLOW_CONTEXT), min(frames, until + FLOW_CONTEXT)
        flowed = self._flowed(noised[:, :, left:right])
        return np.concatenate([latent, flowed[:, :, have - left : until - left]], axis=2)

    def _flowed(self, noised: Samples) -> Samples:
        everywhere = np.ones((1, 1, noised.shape[2]), np.float32)
        latent: Samples
        (latent,) = self._flow.run([self._names.latent], {self._names.noised: noised, self._names.mask: everywhere})
        return latent

    def _decode(self, latent: Samples) -> Samples:
        pcm: Samples = self._decoder.run([PCM], {self._names.latent: latent})[0].ravel()
        return pcm

    def _tried(self, sentence: Sequence[int]) -> tuple[int, float]:
        """Return samples per frame, and loudness, of a sentence, if it is the same in windows and in one go."""
        noised, id_frames = self._text.run(
            [self._names.noised, self._names.id_frames], _feeds(sentence, _WITHOUT_NOISE)
        )
        frames = noised.shape[2]
        in_one_go = self._decode(self._flowed(noised))
        if not frames or round(float(id_frames.sum())) != frames or len(in_one_go) % frames:
            raise BadGraph(f"{id_frames.sum()} frames of phonemes, {frames} of latent, {len(in_one_go)} samples")
        in_windows = np.concatenate(list(self._windows(noised, repeat(2 * SHORTEST_WINDOW))))
        difference = float(np.abs(in_one_go - in_windows).max())
        if difference > TOLERANCE:
            raise BadGraph(f"in windows its sound differs by {difference:.4f}")
        return len(in_one_go) // frames, _rms(in_one_go)


class _Names(NamedTuple):
    """The tensors at which the stages meet."""

    noised: str
    mask: str
    latent: str
    id_frames: str


def _find_stages(graph: OnnxGraph) -> _Names:
    """Find the stages by what they do: operations have other names in every export, these constants do not."""
    decoders = graph.users("dec.conv_pre.weight")
    noises = [node for node in graph.nodes if node.operation == "RandomNormalLike"]
    lengths = [node for node in graph.nodes if node.operation == "Ceil"]
    if len(decoders) != 1 or not noises or len(lengths) != 1:
        raise BadGraph("no decoder, no noise or no lengths where a Piper voice has them")
    latent = decoders[0].inputs[0]
    masking = graph.maker(latent)
    noised = [node for node in graph.users(noises[-1].inputs[0]) if node.operation == "Add"]
    if masking.operation != "Mul" or len(noised) != 1:
        raise BadGraph("flow and noise are not where a Piper voice has them")
    return _Names(noised[0].outputs[0], masking.inputs[1], latent, lengths[0].outputs[0])


def _rms(samples: Samples) -> float:
    return float(np.sqrt(np.mean(np.square(samples))))


def _session(model: str | bytes, *, optimise: bool = True) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    # One thread is as quick to the first sound as two, and the recogniser needs the other core.
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    if not optimise:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    # It keeps the bytes for a retry on another provider, which there is not: 63 MB for nothing.
    session._model_bytes = None
    return session


def _feeds(ids: Sequence[int], scales: Sequence[float]) -> dict[str, npt.NDArray[np.generic]]:
    return {
        "input": np.array([ids], np.int64),
        "input_lengths": np.array([len(ids)], np.int64),
        "scales": np.array(scales, np.float32),
    }
