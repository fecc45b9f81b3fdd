"""Loading of models: beside each other, beside the event loop, and told of."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

__all__ = ["Loader"]

_T = TypeVar("_T")


class Loader:
    """Threads that load models, and tell of each when it is there.

    Not asyncio's own: its loop waits for those before it ends, and a model that loads cannot be called back.
    """

    def __init__(self, progress: Callable[[str], None]) -> None:
        self._progress = progress
        self._threads = ThreadPoolExecutor(4, "loader")

    def __enter__(self) -> Loader:
        return self

    def __exit__(self, *error: object) -> None:
        self._threads.shutdown(wait=False)

    async def run(self, make: Callable[[], _T]) -> _T:
        """Do something that takes a while."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, make)

    async def load(self, name: str, make: Callable[[], _T]) -> _T:
        """Load a part, and tell of it."""
        made = await self.run(make)
        told = ", else ".join(voice.name for voice in made) if isinstance(made, tuple) else getattr(made, "name", "")
        self._progress(f"{name} ({told})" if told else name)
        return made
