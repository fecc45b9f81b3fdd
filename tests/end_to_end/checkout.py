"""A folder to try `./run` in: its own justfile, program and locks of one tiny package each."""

from __future__ import annotations

import base64
import hashlib
import shutil
import stat
import subprocess
import sys
import zipfile
from pathlib import Path

from tests.server_process import ROOT

__all__ = ["Checkout", "make_wheel", "script"]

JUSTFILE = """
set positional-arguments
set quiet

[no-exit-message]
[no-cd]
show *args:
    exec python -m app "$@"

[no-exit-message]
test *args:
    echo "a step before" >&2
    exec python -m app "$@"
"""

PROGRAM = """
import json, os, signal, sys, time

if sys.argv[1:2] == ["exit"]:
    sys.exit(int(sys.argv[2]))
if sys.argv[1:2] == ["signals"]:
    got = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, frame: got.append(number))
    print("listening", flush=True)
    while not got:
        time.sleep(0.01)
    time.sleep(0.5)
    print(json.dumps(got))
    sys.exit(7)
from importlib.metadata import distributions
print(json.dumps({
    "args": sys.argv[1:], "cwd": os.getcwd(), "prefix": sys.prefix,
    "packages": {found.name: found.version for found in distributions()},
}))
"""


def make_wheel(folder: Path, name: str, version: str, scripts: dict[str, str] | None = None) -> str:
    """Write a wheel of one empty module and return its line in a lock."""
    info = f"{name}-{version}.dist-info"
    files = {
        f"{name}.py": "",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        **{f"{name}-{version}.data/scripts/{script}": text for script, text in (scripts or {}).items()},
    }
    record = f"{info}/RECORD"
    rows = [f"{path},{_record_hash(text)},{len(text.encode())}" for path, text in files.items()]
    path = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        for inside, text in {**files, record: "\n".join([*rows, f"{record},,"]) + "\n"}.items():
            entry = zipfile.ZipInfo(inside)
            entry.external_attr = (stat.S_IFREG | 0o755) << 16  # a script is to run
            wheel.writestr(entry, text)
    return f"{name}=={version} --hash=sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}\n"


def _record_hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"sha256={base64.urlsafe_b64encode(digest).decode().rstrip('=')}"


def script(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


class Checkout:
    """A folder with `run`, a justfile, a program and two locks, and the environment to try it in."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "a check out"
        self.wheels = folder / "wheels"
        self.tools = folder / "tools"
        for made in (self.folder / "app", self.wheels, self.tools):
            made.mkdir(parents=True)
        shutil.copy(ROOT / "run", self.folder)
        (self.folder / "justfile").write_text(JUSTFILE)
        (self.folder / "app" / "__main__.py").write_text(PROGRAM)
        just = f'#!/bin/sh\nexec "{shutil.which("just", path=str(Path(sys.executable).parent))}" "$@"\n'
        self.lock("requirements.lock", make_wheel(self.wheels, "tiny", "1.0", {"just": just}))
        self.lock("requirements-test.lock", make_wheel(self.wheels, "tinytest", "1.0"))
        # Only what a bare system has: no uv, no Python but the one that PYTHON names.
        for tool in ("sh", "dirname", "grep", "cksum", "cat", "rm", "mkdir", "mv", "sed"):
            (self.tools / tool).symlink_to(shutil.which(tool) or tool)
        python = script(folder / "a python" / "python3", f'exec "{sys.executable}" "$@"')
        self.environment = {
            "PATH": str(self.tools), "PYTHON": str(python), "HOME": str(folder),
            "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(self.wheels), "PIP_NO_CACHE_DIR": "1",
        }  # fmt: skip

    def lock(self, name: str, lines: str) -> None:
        (self.folder / name).write_text(lines)

    def run(self, *words: str, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(self.folder / "run"), *words], cwd=cwd or self.folder, env={**self.environment, **environment},
            capture_output=True, text=True, timeout=90, check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip

    def start(self, *words: str, **environment: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [str(self.folder / "run"), *words], cwd=self.folder, env={**self.environment, **environment}, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
