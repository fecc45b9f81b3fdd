"""`./run` in a folder of its own: real Python, pip and just, with locks of one tiny package each."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.checkout import Checkout, make_wheel, script


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A checkout whose .venv has been made."""
    made = Checkout(tmp_path_factory.mktemp("doors"))
    first = made.run("show", "hello")
    assert first.returncode == 0, first.stderr
    assert "making .venv" in first.stderr
    assert json.loads(first.stdout)["args"] == ["hello"], "stdout belongs to the recipe"
    return made


def packages(done: subprocess.CompletedProcess[str]) -> dict[str, str]:
    assert done.returncode == 0, done.stderr
    found: dict[str, str] = json.loads(done.stdout)["packages"]
    return found


def test_the_second_time_it_has_nothing_to_say(checkout: Checkout) -> None:
    done = checkout.run("show")
    assert done.stderr == ""
    assert json.loads(done.stdout)["prefix"] == str(checkout.folder / ".venv")


def test_arguments_and_the_callers_folder_stay_as_they_are(checkout: Checkout, tmp_path: Path) -> None:
    (tmp_path / "app").mkdir()  # not to be taken for ours
    words = ["my file.wav", "", "*", "$HOME", "--help", 'a"b', "{{x}}", "two\nlines"]
    told = json.loads(checkout.run("show", *words, cwd=tmp_path).stdout)
    assert told["args"] == words
    assert told["cwd"] == str(tmp_path)


@pytest.mark.parametrize("recipe", ["show", "test"])
def test_exit_codes_pass_through(checkout: Checkout, recipe: str) -> None:
    for code in (0, 1, 2, 7):
        assert checkout.run(recipe, "exit", str(code)).returncode == code


def test_without_arguments_it_lists_what_there_is(checkout: Checkout) -> None:
    for words in ([], ["--help"]):
        done = checkout.run(*words)
        assert done.returncode == 0
        assert "show" in done.stdout


def test_the_version_is_the_programs_not_that_of_just(checkout: Checkout) -> None:
    assert json.loads(checkout.run("--version").stdout)["args"] == ["--version"]


def test_an_unknown_recipe_is_bad_use(checkout: Checkout) -> None:
    done = checkout.run("shwo")
    assert (done.returncode, done.stdout) == (2, "")
    assert "Did you mean `show`" in done.stderr
    assert "./run alone lists" in done.stderr


@pytest.mark.parametrize("recipe", ["show", "test"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_and_sigterm_reach_the_program_once(checkout: Checkout, recipe: str, number: signal.Signals) -> None:
    started = checkout.start(recipe, "signals")
    assert started.stdout is not None
    assert started.stdout.readline() == "listening\n"
    if number is signal.SIGINT:
        os.killpg(started.pid, number)  # as a terminal does it
    else:
        started.send_signal(number)
    output, _ = started.communicate(timeout=20)
    assert json.loads(output) == [number]
    assert started.returncode == 7


def test_the_test_tools_come_with_the_test_recipe_and_stay(checkout: Checkout) -> None:
    assert "tinytest" in packages(checkout.run("test"))
    assert checkout.run("show").stderr == ""
    assert checkout.run("test").stderr == "a step before\n"


def test_a_changed_lock_is_installed(checkout: Checkout) -> None:
    for version in ("2.0", "3.0"):
        just = (checkout.folder / ".venv" / "bin" / "just").read_text()
        checkout.lock("requirements.lock", make_wheel(checkout.wheels, "tiny", version, {"just": just}))
        done = checkout.run("show")
        assert packages(done)["tiny"] == version
        assert "making .venv" not in done.stderr
    assert checkout.run("show").stderr == ""


def test_a_package_that_is_not_what_was_locked_is_refused_and_tried_again(checkout: Checkout) -> None:
    lock = checkout.folder / "requirements-test.lock"
    kept = lock.read_text()
    make_wheel(checkout.wheels, "tinytest", "6.6")
    lock.write_text(f"tinytest==6.6 --hash=sha256:{'0' * 64}\n")
    done = checkout.run("test")
    assert (done.returncode, done.stdout) == (1, "")
    assert "HASH" in done.stderr.upper()
    assert "could not be installed" in done.stderr
    unharmed = checkout.run("show")
    assert (unharmed.returncode, unharmed.stderr) == (0, "")
    lock.write_text(kept)
    assert "tinytest" in packages(checkout.run("test"))


def test_uv_that_fails_leaves_it_to_pip(checkout: Checkout, tmp_path: Path) -> None:
    script(tmp_path / "uv", f'echo "$@" >"{tmp_path}/asked"; exit 2')
    lock = checkout.folder / "requirements.lock"
    lock.write_text(f"{lock.read_text()}# changed\n")
    done = checkout.run("show", PATH=f"{tmp_path}:{checkout.tools}")
    assert "tiny" in packages(done)
    assert "uv could not; trying pip" in done.stderr
    assert f"--python {checkout.folder}/.venv/bin/python" in (tmp_path / "asked").read_text()


def test_uv_is_used_where_it_is_installed(checkout: Checkout) -> None:
    uv = shutil.which("uv")
    if uv is None or subprocess.run([uv, "--version"], capture_output=True, check=False).returncode:
        pytest.skip("uv is not installed here")
    just = (checkout.folder / ".venv" / "bin" / "just").read_text()
    checkout.lock("requirements.lock", make_wheel(checkout.wheels, "tiny", "4.0", {"just": just}))
    done = checkout.run(
        "show", PATH=f"{checkout.tools}:{Path(uv).parent}", UV_OFFLINE="1", UV_FIND_LINKS=str(checkout.wheels)
    )
    assert packages(done)["tiny"] == "4.0"
    assert "pip" not in done.stderr
    assert not (checkout.folder / "uv.lock").exists()


@pytest.fixture
def silent_index() -> Iterator[str]:
    """Address of a package index that takes calls and never answers."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/simple"


def test_a_second_run_waits_and_takes_over_when_the_first_is_killed(tmp_path: Path, silent_index: str) -> None:
    checkout = Checkout(tmp_path)
    first = checkout.start("show", PIP_NO_INDEX="0", PIP_FIND_LINKS="", PIP_INDEX_URL=silent_index)
    assert first.stderr is not None
    assert "making .venv" in first.stderr.readline()
    assert "installing packages (pip)" in first.stderr.readline()
    second = checkout.start("show", "after")
    assert second.stderr is not None
    try:
        assert "waiting for another ./run" in second.stderr.readline()
    finally:
        os.killpg(first.pid, signal.SIGKILL)
        first.communicate()
    output, said = second.communicate(timeout=60)
    assert second.returncode == 0, said
    assert "making .venv" in said, "what a killed run left is not trusted"
    assert json.loads(output)["args"] == ["after"]


def test_a_folder_that_was_moved_gets_a_new_venv(checkout: Checkout, tmp_path: Path) -> None:
    moved = tmp_path / "moved"
    shutil.copytree(checkout.folder, moved, symlinks=True)
    done = subprocess.run(
        [moved / "run", "show"], env=checkout.environment, capture_output=True, text=True, timeout=90, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "making .venv" in done.stderr
    assert json.loads(done.stdout)["prefix"] == str(moved / ".venv")


def test_an_older_python_is_told_what_is_missing(tmp_path: Path) -> None:
    checkout = Checkout(tmp_path)
    script(checkout.tools / "python3", 'case "$2" in *"< (3, 11)"*) exit 1 ;; *) echo 3.8.1 ;; esac')
    script(
        checkout.tools / "python3.12", 'case "$2" in *ensurepip*) exit 1 ;; *"< (3, 11)"*) ;; *) echo 3.12.4 ;; esac'
    )
    script(checkout.tools / "python3.13", "echo 'no such version is installed' >&2; exit 127")
    done = checkout.run("show", PYTHON="")
    assert (done.returncode, done.stdout) == (1, "")
    assert "Python 3.11 or newer is needed" in done.stderr
    assert "python3 is 3.8.1" in done.stderr
    assert "python3.12 is 3.12.4 but has no venv module" in done.stderr
    assert "python3.13" not in done.stderr
    assert "python3-venv" in done.stderr
    assert not (checkout.folder / ".venv").exists()


@pytest.mark.parametrize("says", ['echo "Python 3.9.2"', '[ "$1" = --version ] && echo "Python 3.9.2"'])
def test_an_older_python_is_known_by_what_it_says(tmp_path: Path, says: str) -> None:
    checkout = Checkout(tmp_path)
    script(checkout.tools / "python3", says)
    done = checkout.run("show", PYTHON="")
    assert done.returncode == 1
    assert "Found: python3 is 3.9.2." in done.stderr


def test_no_python_at_all_is_said_too(tmp_path: Path) -> None:
    done = Checkout(tmp_path).run("show", PYTHON="")
    assert done.returncode == 1
    assert "no Python at all" in done.stderr
