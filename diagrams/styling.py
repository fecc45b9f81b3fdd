"""Makes an SVG that a page can take in: no prolog, no white ground, readable in the dark."""

from __future__ import annotations

import re

from diagrams.palette import NEUTRAL, PALETTE

__all__ = ["styled"]


def _dark_rules() -> str:
    swaps = [(colours.line, colours.dark_line) for colours in (*PALETTE.values(), NEUTRAL)]
    swaps += [("#556070", "#a9b1bd"), ("#6b7380", "#98a1ae")]
    grounds = [(colours.ground, colours.dark_ground) for colours in (*PALETTE.values(), NEUTRAL)]
    grounds.append(("#ffffff", "#16191f"))
    rules = []
    for light, dark in swaps:
        rules.append(f'.voicechart [stroke="{light}"]{{stroke:{dark}}}.voicechart [fill="{light}"]{{fill:{dark}}}')
    for light, dark in grounds:
        names = [light, "white"] if light == "#ffffff" else [light]
        rules += [f'.voicechart [fill="{name}"]{{fill:{dark}}}' for name in names]
    rules.append(".voicechart text:not([fill]){fill:#e6e9ee}")
    return "".join(rules)


_STYLE = f"<style>@media (prefers-color-scheme: dark){{{_dark_rules()}}}</style>"


def styled(svg: bytes) -> bytes:
    """Return Graphviz's SVG with our style in it; its size follows its container."""
    text = svg.decode()
    text = text[text.index("<svg") :]
    text = re.sub(r"<!--.*?-->\n?", "", text, flags=re.DOTALL)
    text = re.sub(r"<title>.*?</title>\n?", "", text, flags=re.DOTALL)
    text = re.sub(
        r'<svg width="[^"]*" height="[^"]*"', '<svg class="voicechart" role="img" width="100%"', text, count=1
    )
    end = text.index(">") + 1
    return (text[:end] + _STYLE + text[end:]).encode()
