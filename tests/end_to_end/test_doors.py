"""`./run`, with a small lock of its own: what it installs, when, and what it hands on."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

from tests.server_process import ROOT

JUSTFILE = """
set positional-arguments
set quiet
[no-exit-message]
show *args:
    for word in "$@"; do echo "<$word>"; done
[no-exit-message]
fail:
    exit 7
test:
    echo tested
"""


def make_wheel(folder: Path, name: str, files: dict[str, str]) -> str:
    """Write a wheel; return its line in a lock."""
    path = folder / f"{name}-1.0-py3-none-any.whl"
    info = f"{name}-1.0.dist-info"
    entries = {
        **files,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{file},,\n" for file in [*entries, f"{info}/RECORD"])
    with zipfile.ZipFile(path, "w") as archive:
        for file, text in entries.items():
            entry = zipfile.ZipInfo(file)
            entry.external_attr = 0o100755 << 16  # a script has to be one
            archive.writestr(entry, text)
        archive.writestr(f"{info}/RECORD", record)
    return f"{name}==1.0 --hash=sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}\n"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder with a space in its name, `./run`, a justfile, and locks of a few lines."""
    just = shutil.which("just")
    if just is None:
        pytest.skip("just is not on PATH; ./run test puts it there")
    folder = tmp_path / "a check out"
    folder.mkdir()
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    shutil.copy(ROOT / "run", folder)
    (folder / "justfile").write_text(JUSTFILE)
    script = f"#!/bin/sh\nexec '{just}' \"$@\"\n"
    line = make_wheel(wheels, "justish", {"justish-1.0.data/scripts/just": script})
    (folder / "requirements.lock").write_text(line)
    (folder / "requirements-test.lock").write_text(make_wheel(wheels, "testish", {"testish.py": "found = True\n"}))
    return folder


def run(checkout: Path, *words: str, cwd: Path | None = None, **more: str) -> subprocess.CompletedProcess[str]:
    wheels = str(checkout.parent / "wheels")
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("UV_", "VIRTUAL_ENV"))},
        "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": wheels, "UV_NO_INDEX": "1", "UV_FIND_LINKS": wheels,
        "PYTHON": sys._base_executable, **more,  # type: ignore[attr-defined]  # the interpreter outside any venv
    }  # fmt: skip
    return subprocess.run(
        [str(checkout / "run"), *words], cwd=cwd or checkout, capture_output=True, text=True, env=environment,
        timeout=60, check=False,
    )  # fmt: skip


def test_it_makes_an_environment_once_and_says_so_on_stderr_only(checkout: Path) -> None:
    first = run(checkout, "show", "one word", "*", "")
    assert first.returncode == 0, first.stderr
    assert first.stdout == "<one word>\n<*>\n<>\n"
    assert "making .venv" in first.stderr
    again = run(checkout, "show")
    assert again.stderr == ""


def test_it_works_from_another_folder(checkout: Path, tmp_path: Path) -> None:
    assert run(checkout, "show", "x", cwd=tmp_path).stdout == "<x>\n"


def test_test_tools_come_with_the_tests(checkout: Path) -> None:
    run(checkout, "show")
    packages = next((checkout / ".venv" / "lib").glob("python3*")) / "site-packages"
    assert not (packages / "testish.py").exists()
    assert run(checkout, "test").stdout == "tested\n"
    assert (packages / "testish.py").exists()
    assert run(checkout, "test").stderr == ""


def test_a_changed_lock_is_installed(checkout: Path) -> None:
    run(checkout, "show")
    more = make_wheel(checkout.parent / "wheels", "moreish", {"moreish.py": "found = True\n"})
    with (checkout / "requirements.lock").open("a") as lock:
        lock.write(more)
    assert "installing" in run(checkout, "show").stderr
    packages = next((checkout / ".venv" / "lib").glob("python3*")) / "site-packages"
    assert (packages / "moreish.py").exists()


def test_a_wrong_hash_is_refused_and_mended_by_the_next_run(checkout: Path) -> None:
    good = (checkout / "requirements.lock").read_text()
    (checkout / "requirements.lock").write_text(good.replace("sha256:", "sha256:0")[:-2] + "\n")
    refused = run(checkout, "show")
    assert refused.returncode == 1
    assert "could not be installed" in refused.stderr
    (checkout / "requirements.lock").write_text(good)
    assert run(checkout, "show", "x").stdout == "<x>\n"


def test_exit_codes_pass_through(checkout: Path) -> None:
    assert run(checkout, "fail").returncode == 7
    unknown = run(checkout, "sing")
    assert unknown.returncode == 2
    assert "sing" in unknown.stderr
    assert run(checkout).returncode == 0


def test_an_older_python_is_told_what_is_missing(checkout: Path, tmp_path: Path) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("dirname", "cksum", "grep", "cat", "mkdir", "rm", "mv", "sleep"):
        (tools / name).symlink_to(shutil.which(name) or name)
    (tools / "python3").write_text('#!/bin/sh\ncase "$2" in *exit*) exit 1 ;; *) echo 3.8 ;; esac\n')
    (tools / "python3").chmod(0o755)
    refused = run(checkout, "show", PATH=str(tools), PYTHON="")
    assert refused.returncode == 1
    assert "Python 3.11 or newer is needed" in refused.stderr
    assert "python3 (3.8)" in refused.stderr


def test_an_installation_left_behind_is_taken_over(checkout: Path) -> None:
    busy = checkout / ".venv.busy"
    busy.mkdir()
    (busy / "pid").write_text("999999")
    began = time.monotonic()
    assert run(checkout, "show", "x").stdout == "<x>\n"
    assert time.monotonic() - began < 30
    assert not busy.exists()
