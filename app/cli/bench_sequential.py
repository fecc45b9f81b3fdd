"""`voicechart bench turn --sequential`: what doing things at the same time saves."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import msgspec
import rich_click as click

from app.bench.sequential import PARTS, WAYS, Parts, SequentialBench, bench_sequential
from app.cli.bench_tables import new_table, progress, shown_ms, shown_s, table_console
from app.settings import load_settings

__all__ = ["measure_sequential"]


def measure_sequential(
    clips: Sequence[Path], *, repeat: int, intent_delay_s: float, answer_delay_s: float, as_json: bool
) -> None:
    """Measure and print. Raises what `bench_sequential` and the loading of the models raise."""
    result = asyncio.run(_sequential(clips, repeat, intent_delay_s, answer_delay_s))
    if as_json:
        click.echo(msgspec.json.encode(result))
    else:
        _print(result)


async def _sequential(
    clips: Sequence[Path], repeat: int, intent_delay_s: float, answer_delay_s: float
) -> SequentialBench:
    from app.wiring import load_parts
    from app.wiring_models import SileroDetector

    loaded = await load_parts(load_settings(), ("gateway", "workers"), progress().print)
    assert loaded.call_services is not None
    assert loaded.classifier is not None
    assert loaded.answerer is not None
    services = loaded.call_services
    parts = Parts(SileroDetector(), services.recogniser, loaded.classifier, loaded.answerer, services.voices[0])
    try:
        return await bench_sequential(
            parts, clips, repeat=repeat, intent_delay_s=intent_delay_s, answer_delay_s=answer_delay_s,
            tell=progress().print,
        )  # fmt: skip
    finally:
        services.recogniser.close()
        for voice in services.voices:
            voice.close()


def _print(result: SequentialBench) -> None:
    console = table_console()
    console.print(str(result.machine))
    slowed = [
        f"{what} slowed by {seconds:g} s"
        for what, seconds in (("intents", result.intent_delay_s), ("every sentence", result.answer_delay_s))
        if seconds
    ]
    ways = new_table(
        f"{result.questions} questions{''.join(f', {one}' for one in slowed)}; seconds from the true end of the speech "
        "to the first sound",
        "each row does what the one above does, and", "n", "p50", "p95", "saved", "of all", right=1,
    )  # fmt: skip
    whole = before = result.ways["sequential"].median
    for way, meaning in WAYS.items():
        figures = result.ways[way]
        saved = [f"{before - figures.median:.3f}", f"{(before - figures.median) / whole:.1%}"]
        ways.add_row(meaning, *shown_s(figures), *(["", ""] if way == "sequential" else saved))
        before = figures.median
    ways.add_section()
    ways.add_row("all of it", "", "", "", f"{whole - before:.3f}", f"{(whole - before) / whole:.1%}")
    console.print(ways)
    parts = new_table("the parts; milliseconds", "part", "n", "p50", "p95", right=1)
    for part, meaning in PARTS.items():
        parts.add_row(meaning, *shown_ms(result.parts[part]))
    console.print(parts)
