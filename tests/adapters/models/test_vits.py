"""A Piper voice in stages says what it says in one go; what cannot be taken apart is run whole."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from adapters.voices import vits
from adapters.voices.onnx_graph import BadGraph, OnnxGraph
from adapters.voices.piper import PiperVoice, _load
from adapters.voices.vits import StagedVits, WholeVits, load_vits
from tests.adapters.models.onnx_model import constant, model, node

WITHOUT_NOISE = (0.0, 1.0, 0.0)
SENTENCES = (
    "Sure.",
    "I have five states, and each has a deadline.",
    "It opened in 1883, after fourteen years of work.",
)
LARGEST_DIFFERENCE = 1e-4
"""-80 dB of full scale: what adding up in another order leaves of 32 bit floats."""


@pytest.fixture(scope="module")
def voice() -> tuple[Path, list[list[int]]]:
    path, phonemizer = _load(None)
    return path, [phonemizer.phonemes_to_ids(phonemizer.phonemize(text)[0]) for text in SENTENCES]


@pytest.fixture(scope="module")
def staged(voice: tuple[Path, list[list[int]]]) -> StagedVits:
    return StagedVits(voice[0], voice[1][0])


@pytest.fixture(scope="module")
def whole(voice: tuple[Path, list[list[int]]]) -> WholeVits:
    return WholeVits(voice[0], voice[1][0])


@pytest.mark.parametrize("number", range(len(SENTENCES)))
def test_stages_say_what_one_go_does(
    voice: tuple[Path, list[list[int]]], staged: StagedVits, whole: WholeVits, number: int
) -> None:
    ids = voice[1][number]
    in_stages = staged.speak(ids, WITHOUT_NOISE)
    windows = list(in_stages.windows)
    (in_one_go,) = whole.speak(ids, WITHOUT_NOISE).windows
    assert len(windows) > 1
    assert np.abs(np.concatenate(windows) - in_one_go).max() < LARGEST_DIFFERENCE
    assert in_stages.id_samples is not None
    assert len(in_stages.id_samples) == len(ids)
    assert sum(in_stages.id_samples) == len(in_one_go)
    assert staged.rms == pytest.approx(whole.rms, rel=1e-3)


def test_the_first_window_is_short_and_none_is_longer_than_a_second(
    voice: tuple[Path, list[list[int]]], staged: StagedVits
) -> None:
    windows = [len(window) for window in staged.speak(voice[1][2], (0.667, 1.0, 0.8)).windows]
    assert windows[0] == 16 * 256
    assert max(windows) < 22_050


def test_too_little_context_is_noticed(voice: tuple[Path, list[list[int]]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vits, "DECODER_CONTEXT", 2)
    with pytest.raises(BadGraph, match="differs"):
        StagedVits(voice[0], voice[1][0])
    assert isinstance(load_vits(*voice[:1], voice[1][0]), WholeVits)


@pytest.mark.parametrize("lost", [b"dec.conv_pre.weight", b"Ceil"])
def test_a_voice_that_is_built_otherwise_is_run_whole_or_not_at_all(
    voice: tuple[Path, list[list[int]]], tmp_path: Path, lost: bytes
) -> None:
    # The weights are found by their name; the operation "Cei_" is one that no runtime knows.
    changed = tmp_path / "voice.onnx"
    changed.write_bytes(voice[0].read_bytes().replace(lost, lost[:-1] + b"_"))
    if lost.startswith(b"dec"):
        loaded = load_vits(changed, voice[1][0])
        assert isinstance(loaded, WholeVits)
        assert len(next(loaded.speak(voice[1][1], WITHOUT_NOISE).windows)) > 22_050
    else:
        with pytest.raises(vits.VITS_ERRORS):
            load_vits(changed, voice[1][0])


def test_loudness_does_not_depend_on_the_sentence() -> None:
    made = PiperVoice()
    loudness = []
    for text in (*SENTENCES, "No.", "Hello!", "Sorry, can you say that again?"):
        samples = np.frombuffer(b"".join(piece.pcm for piece in made._speak(text, True)), "<i2") / 32768
        assert np.abs(samples).max() < 1.0
        loudness.append(20 * np.log10(np.sqrt(np.mean(samples**2))))
    made.close()
    assert max(loudness) - min(loudness) < 6.0
    assert -26.0 < np.mean(loudness) < -18.0


def test_a_part_of_a_model_does_its_part() -> None:
    whole = model(
        [node("Add", ["x", "two"], ["y"]), node("Mul", ["y", "y"], ["z"]), node("Neg", ["z"], ["w"])],
        [constant("two", 2.0)],
        inputs=["x"],
        outputs=["w"],
    )
    graph = OnnxGraph(whole)
    assert graph.maker("z").operation == "Mul"
    assert [user.outputs for user in graph.users("y")] == [["z"]]
    for inputs, outputs, given, expected in (
        (["y"], ["z"], {"y": 3.0}, [9.0]),
        ([], ["y", "z"], {"x": 1.0}, [3.0, 9.0]),
        (["y"], ["w"], {"y": 3.0}, [-9.0]),
    ):
        session = onnxruntime.InferenceSession(graph.part(inputs, outputs), providers=["CPUExecutionProvider"])
        found = session.run(outputs, {name: np.array([value], np.float32) for name, value in given.items()})
        assert [float(one[0]) for one in found] == expected


def test_what_is_no_model_is_refused() -> None:
    whole = model([node("Neg", ["x"], ["y"])], [], inputs=["x"], outputs=["y"])
    for bad in (b"not a model", b"\xff" * 20, whole[:-3], b"\x3a"):
        with pytest.raises(BadGraph):
            OnnxGraph(bad)
    with pytest.raises(BadGraph, match="no operation makes 'z'"):
        OnnxGraph(whole).part([], ["z"])
    with pytest.raises(BadGraph, match="graph of its own"):
        OnnxGraph(model([node("If", ["x"], ["y"])], [], inputs=["x"], outputs=["y"]))
