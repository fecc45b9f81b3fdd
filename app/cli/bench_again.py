"""`voicechart bench again`: run the measurements that a document quotes, and put what they print in their place."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import rich_click as click

from app.cli.bench_tables import progress
from app.cli.files import replace_file

__all__ = ["again"]

_ROOT = Path(__file__).parents[2]
_DOCUMENT = _ROOT / "docs" / "benchmarks.md"
_BLOCK = re.compile(r"<!-- measured: (?P<words>.+?) -->\n(?P<old>.*?)<!-- end -->", re.DOTALL)
_CLIPS = "CLIPS"
"""Stands in a command for a folder of recordings that are not in this repository."""


@click.command()
@click.argument("document", type=click.Path(path_type=Path, dir_okay=False), default=_DOCUMENT)
@click.option("--only", metavar="NAME", help="Only the measurements of this name, such as turn.")
@click.option(
    "--clips", type=click.Path(path_type=Path, file_okay=False, exists=True),
    help=f"What {_CLIPS} stands for in a command: a folder of WAV files with a manifest.csv. "
    "Without it those commands are left as they are.",
)  # fmt: skip
def again(document: Path, only: str | None, clips: Path | None) -> None:
    """Measure anew all that DOCUMENT (default: docs/benchmarks.md) quotes; it takes a quarter of an hour or more.

    Each block between `<!-- measured: turn --repeat 2 -->` and `<!-- end -->` is what that command printed. Every block
    is run once and its outcome is kept, whatever it is: nothing is chosen.
    """
    try:
        text = document.read_text(encoding="utf-8")
    except OSError as error:
        raise click.UsageError(f"cannot read {document}: {error.strerror}.") from error
    blocks = [
        block
        for block in _BLOCK.finditer(text)
        if (only is None or block["words"].split()[0] == only)
        and (clips is not None or _CLIPS not in block["words"].split())
    ]
    if not blocks:
        raise click.UsageError(f"{document} quotes no such measurement: <!-- measured: turn --repeat 2 --> ...")
    tell = progress().print
    for number, block in enumerate(blocks, 1):
        tell(f"{number} of {len(blocks)}: bench {block['words']}")
        printed = _measured(block["words"], clips)
        quoted = f"<!-- measured: {block['words']} -->\n\n```console\n$ ./run bench {block['words']}\n{printed}```\n\n"
        # What is there already is kept if a later one fails.
        text = text.replace(block[0], f"{quoted}<!-- end -->")
        replace_file(document, text.encode())


def _measured(words: str, clips: Path | None) -> str:
    """Return what a measurement prints. Raises click.ClickException if it fails."""
    given = [str(clips) if word == _CLIPS else word for word in shlex.split(words)]
    done = subprocess.run(
        [sys.executable, "-m", "app", "bench", *given],
        cwd=_ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
        check=False,
    )  # fmt: skip
    if done.returncode:
        raise click.ClickException(f"bench {words} ended with exit code {done.returncode}; see above.")
    return "".join(f"{line.rstrip()}\n" for line in done.stdout.strip().splitlines())
