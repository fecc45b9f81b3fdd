"""Makes an SVG that a page can take in: no prolog, no titles, readable in the dark, its letters as wide as measured."""

from __future__ import annotations

import re
from html import unescape

from diagrams.lettering import width_of
from diagrams.palette import CARD, NEUTRAL, OTHERS, PALETTE, TINTS

__all__ = ["FONTS", "dark_style", "styled"]

# Without Helvetica or one of its like, DejaVu's narrow cut comes nearest in width.
FONTS = "Helvetica,Arial,'Liberation Sans',Arimo,'DejaVu Sans Condensed',sans-serif"
_TEXT = re.compile(r'<text (?:xml:space="preserve" )?([^>]*?) font-family="[^"]*"([^>]*)>([^<]*)</text>')
_SIZE = re.compile(r'font-size="([\d.]+)"')


def styled(svg: bytes) -> bytes:
    """Return Graphviz's SVG with our style in it; its size follows its container."""
    text = svg.decode()
    text = text[text.index("<svg") :]
    text = re.sub(r"<!--.*?-->\n?", "", text, flags=re.DOTALL)
    text = re.sub(r"<title>.*?</title>\n?", "", text, flags=re.DOTALL)
    text = re.sub(r'<g id="(?:graph|node|edge|clust|a_)[^"]*"', "<g", text)
    text = re.sub(
        r'<svg width="[^"]*" height="[^"]*"',
        f'<svg class="voicechart" role="img" width="100%" font-family="{FONTS}"', text, count=1,
    )  # fmt: skip
    text = re.sub(r"<text [^>]*> </text>\n?", "", text)
    text = _TEXT.sub(_measured, text)
    end = text.index(">") + 1
    return (text[:end] + dark_style(text) + text[end:]).encode()


def _measured(found: re.Match[str]) -> str:
    """Return a text that is as wide in any font as it was measured."""
    place, rest, text = found.groups()
    size = _SIZE.search(rest)
    said = unescape(text).replace("\xa0", " ")
    width = width_of(said, float(size[1]) if size else 14.0, bold='font-weight="bold"' in rest)
    return (
        f'<text xml:space="preserve" {place}{rest} textLength="{width:.1f}" lengthAdjust="spacingAndGlyphs">'
        f"{text}</text>"
    )


def dark_style(svg: str) -> str:
    """Return rules that give every colour that occurs its counterpart when it is dark around."""
    every = (*PALETTE.values(), *OTHERS, NEUTRAL)
    swaps = {colours.line: colours.dark_line for colours in every}
    swaps |= {colours.ground: colours.dark_ground for colours in every}
    swaps |= {tint.light: tint.dark for tint in (*TINTS.values(), CARD)}
    rules = []
    for light, dark in swaps.items():
        for name in (light, "white") if light == "#ffffff" else (light,):
            rules += [
                f'.voicechart [{attribute}="{name}"]{{{attribute}:{dark}}}'
                for attribute in ("stroke", "fill")
                if f'{attribute}="{name}"' in svg
            ]
    return f"<style>@media (prefers-color-scheme: dark){{{''.join(rules)}}}</style>"
