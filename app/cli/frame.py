"""The frame of the command line: its commands, found when they are called, and what becomes of their errors."""

from __future__ import annotations

import importlib
import os
import sys

import rich_click as click
from click.exceptions import Exit

from app.version import VERSION
from statecharts.events import VoicechartError

__all__ = ["cli", "complain", "main"]

_COMMANDS = {
    "serve": "Serve voice sessions.",
    "orchestrator": "Run charts in a process of their own.",
    "worker": "Run workers in a process of their own.",
    "call": "Be a caller: speak a recording to the server.",
    "chat": "Talk with the server by keyboard.",
    "diagram": "Draw a chart, review a change of it, see what was taken.",
    "verify": "Explore the whole chart and check every property.",
    "scenario": "Run turn-taking scenarios on virtual time.",
    "simulate": "Break a simulated system by seed, and check what is left.",
    "sessions": "List the sessions.",
    "why": "Explain a silence: where a call stands, and what kept it there.",
    "replay": "Take recorded calls through today's chart and compare.",
    "freeze": "Keep a call as a test.",
    "dlq": "List, retry and drop what could not be served.",
    "bench": "Measure turns, the event log and the chart.",
    "chaos": "Break it on purpose, and see whether the conversations go on.",
    "doctor": "Check the installation.",
    "config": "Show the settings and where they come from.",
}


class _Lazy(click.RichGroup):
    """Imports a command when it is called: `--help` need not load a model library."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return what a listing needs to know of a command."""
        return click.RichCommand(name=cmd_name, help=_COMMANDS[cmd_name]) if cmd_name in _COMMANDS else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name, command, rest = super().resolve_command(ctx, args)
        if command is not None and name is not None:
            from app.cli.logs import log_to_stderr

            log_to_stderr("warning")
            command = importlib.import_module(f"app.cli.{name}").command
        return name, command, rest


@click.group(cls=_Lazy, name="voicechart", context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(VERSION, prog_name="voicechart")
def cli() -> None:
    """A voice server whose turn-taking is one declarative statechart."""


def main() -> int:
    """Run the command line; return its exit code: 0, 1 (it says no) or 2 (bad use). Never a traceback."""
    try:
        outcome = cli.main(prog_name="voicechart", standalone_mode=False)
        print(end="", flush=True)  # a full disk or a closed pipe shows here, not at the interpreter's end
    except click.UsageError as error:
        error.show()
        return 2
    except Exit as error:
        return error.exit_code
    except click.ClickException as error:
        complain(error.format_message())
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        return 130
    except VoicechartError as error:
        from app.settings import BadSetting

        complain(str(error))
        return 2 if isinstance(error, BadSetting) else 1
    except BrokenPipeError:
        # Whoever read us (`head`) has enough; keep the interpreter from complaining at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        complain(str(error))
        return 1
    return outcome if isinstance(outcome, int) else 0


def complain(message: str) -> None:
    """Tell an error, its further lines set in."""
    indented = message.replace("\n", "\n            ")
    sys.stderr.write(f"voicechart: {indented}\n")
