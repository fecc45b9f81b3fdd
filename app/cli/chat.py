"""`voicechart chat`: the same session by keyboard."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import AsyncIterator
from concurrent.futures import CancelledError
from io import TextIOWrapper

import rich_click as click
from rich.console import Console
from rich.text import Text

from app.caller.call import ANSWER_TIMEOUT_S, open_link
from app.caller.chat import Chat
from app.caller.report import STATE_COLOURS
from app.cli.address import url_option
from statecharts.events import VoicechartError

__all__ = ["command"]

_HELP = "Type a line and press Enter. /help shows this, /quit or Ctrl-D hangs up."


@click.command(name="chat")
@url_option
def command(url: str) -> None:
    """Talk to the server by keyboard: each line is a turn, each answer is printed as it comes.

    Lines may come from a pipe (`echo "what can you do" | voicechart chat`): the next one is sent when the last one was
    answered, and the end of the pipe hangs up.
    """
    try:
        asyncio.run(_chat(url))
    except KeyboardInterrupt:
        click.echo(err=True)  # hung up on the way out; the shell's prompt belongs on a line of its own
    except VoicechartError as error:
        raise click.ClickException(str(error)) from error


async def _chat(url: str) -> None:
    by_hand = sys.stdin.isatty()
    if isinstance(sys.stdin, TextIOWrapper):
        sys.stdin.reconfigure(errors="replace")  # a stray byte is no reason to hang up
    terminal = _Terminal(by_hand=by_hand)
    async with open_link(url, "ws") as (session_id, link):
        if by_hand:
            terminal.hint(f"session {session_id}. {_HELP}")
        chat = Chat(link, terminal, timeout_s=ANSWER_TIMEOUT_S)
        await chat.run(_lines(terminal), take_turns=not by_hand)


class _Terminal:
    """Shows answers; with a person at the keyboard also the states and a prompt."""

    def __init__(self, *, by_hand: bool) -> None:
        self._console = Console(highlight=False, markup=False, soft_wrap=True)
        self._by_hand = by_hand
        self._in_answer = False

    def state(self, name: str) -> None:
        if not self._by_hand:
            return
        self._finish_line()
        self._console.print(Text(name, style=STATE_COLOURS.get(name, "")))
        if name in ("LISTENING", "IDLE"):
            self.prompt()

    def prompt(self) -> None:
        if self._by_hand:
            self._console.print("> ", end="")

    def answer(self, text: str, *, is_final: bool) -> None:
        if text:
            self._console.print(f" {text}" if self._in_answer else text, end="")
            self._in_answer = True
        if is_final:
            self._finish_line()

    def problem(self, text: str) -> None:
        self._finish_line()
        Console(stderr=True, highlight=False, markup=False).print(f"the server says: {text}")

    def hint(self, text: str) -> None:
        self._console.print(text, style="dim")

    def _finish_line(self) -> None:
        if self._in_answer:
            self._console.print()
        self._in_answer = False


async def _lines(terminal: _Terminal) -> AsyncIterator[str]:
    """Yield what is typed, line by line, until /quit or the end of the input.

    A thread reads, because a pipe, a file and a terminal can all be read that way and only that way; it is a daemon,
    because a blocked read cannot be called back. It is one line ahead at most.
    """
    loop = asyncio.get_running_loop()
    typed: asyncio.Queue[str | None] = asyncio.Queue(1)

    def read() -> None:
        try:
            for line in sys.stdin:
                asyncio.run_coroutine_threadsafe(typed.put(line), loop).result()
            asyncio.run_coroutine_threadsafe(typed.put(None), loop).result()
        except (RuntimeError, CancelledError):
            return  # the conversation, and its loop with it, ended before the input did

    threading.Thread(target=read, name="keyboard", daemon=True).start()
    while (line := await typed.get()) is not None:
        text = line.strip()
        if text == "/quit":
            return
        if text.startswith("/"):
            terminal.hint(_HELP)
            terminal.prompt()
        elif text:
            yield text
