"""Files are written whole or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import rich_click as click

__all__ = ["replace_file"]


def replace_file(path: Path, data: bytes) -> None:
    """Write a file whole or not at all. Raises click.ClickException if it cannot be written."""
    try:
        handle, name = tempfile.mkstemp(dir=path.absolute().parent, prefix=f".{path.name}.")
    except OSError as error:
        raise click.ClickException(f"cannot write {path}: {error.strerror}") from error
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except OSError as error:
        Path(name).unlink(missing_ok=True)
        raise click.ClickException(f"cannot write {path}: {error.strerror}") from error
