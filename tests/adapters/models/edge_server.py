"""A server on loopback that speaks the protocol of Edge's voices: what it is asked, it answers with a tone in MP3."""

from __future__ import annotations

import io
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from xml.sax.saxutils import escape, unescape

import av
import numpy as np
from aiohttp import WSMsgType, web

__all__ = ["edge_server"]

RATE_HZ = 24_000


def tone_mp3(seconds: float) -> bytes:
    at = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    samples = (np.sin(2 * np.pi * 330 * at) * 12000).astype(np.int16)
    file = io.BytesIO()
    with av.open(file, "w", format="mp3") as container:
        stream = container.add_stream("libmp3lame", rate=RATE_HZ, layout="mono")
        stream.bit_rate = 48_000
        frame = av.AudioFrame.from_ndarray(samples[None], format="s16p", layout="mono")
        frame.sample_rate = RATE_HZ
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return file.getvalue()


def word_boundaries(ssml: str, seconds: float) -> list[str]:
    """Return the metadata of each word, all equally long; times are in units of 100 ns."""
    text = unescape(re.sub(r"<[^>]*>", "", ssml.split("\r\n\r\n", 1)[1]))
    words = re.findall(r"[\w'-]+", text)
    length = round(seconds * 10_000_000 / max(1, len(words)))
    return [
        json.dumps(
            {
                "Metadata": [
                    {
                        "Type": "WordBoundary",
                        "Data": {"Offset": number * length, "Duration": length, "text": {"Text": escape(word)}},
                    }
                ]
            }
        )
        for number, word in enumerate(words)
    ]


async def _speak(request: web.Request) -> web.WebSocketResponse:
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    async for message in socket:
        if message.type is not WSMsgType.TEXT or "Path:ssml" not in message.data:
            continue
        if "silence" in message.data:
            await socket.send_str("Path:turn.start\r\n\r\n{}")
            await socket.send_str("Path:turn.end\r\n\r\n{}")
            continue
        if "hang up" in message.data:
            await socket.close()
            break
        await socket.send_str("X-RequestId:1\r\nPath:turn.start\r\n\r\n{}")
        head = b"X-RequestId:1\r\nContent-Type:audio/mpeg\r\nPath:audio\r\n"
        mp3 = tone_mp3(1.0)
        for metadata in word_boundaries(message.data, 1.0):
            await socket.send_str(f"X-RequestId:1\r\nPath:audio.metadata\r\n\r\n{metadata}")
        for start in range(0, len(mp3), 720):
            await socket.send_bytes(len(head).to_bytes(2, "big") + head + mp3[start : start + 720])
        await socket.send_str("X-RequestId:1\r\nPath:turn.end\r\n\r\n{}")
    return socket


@asynccontextmanager
async def edge_server() -> AsyncIterator[str]:
    """Serve on a free port; yield the WebSocket's address."""
    application = web.Application()
    application.router.add_get("/edge/v1", _speak)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    try:
        yield f"ws://127.0.0.1:{port}/edge/v1?TrustedClientToken=x"
    finally:
        await runner.cleanup()
