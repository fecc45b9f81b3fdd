"""The part of the wiring that names models and media: what gateways, tts and stt workers are made of.

Apart from `app/wiring.py` because these libraries take a second of a start and as much memory again as the rest:
whoever has nothing to do with audio does not load them.
"""

from __future__ import annotations

import asyncio
import importlib.util
from functools import partial

import structlog

from adapters.detectors.silero import SileroDetector
from adapters.lane.pool import WorkerPool
from adapters.media.webrtc import WebRtcPeer
from adapters.media.webrtc_seam import assert_aiortc_unchanged
from adapters.media.websocket import WebSocketLeg
from adapters.recognisers.port import Recogniser
from adapters.recognisers.remote import RemoteRecogniser
from adapters.recognisers.whisper import WhisperRecogniser
from adapters.voices.espeak import EspeakVoice
from adapters.voices.piper import PiperVoice
from adapters.voices.port import Voice
from adapters.voices.remote import RemoteVoice
from adapters.voices.spelled_voice import SpelledVoice
from app.gateway.services import CallServices
from app.gateway.voice_activity import ChunkedActivity
from app.loading import Loader
from app.runtime import Parts
from app.settings import Settings
from app.workers_audio import recognise_requests, speak_requests

__all__ = [
    "EspeakVoice",
    "PiperVoice",
    "SileroDetector",
    "WhisperRecogniser",
    "load_gateway",
    "load_hearer",
    "load_speaker",
]

_log = structlog.get_logger()


async def load_gateway(parts: Parts, settings: Settings, loader: Loader) -> None:
    # Better no server than one whose calls break in the middle.
    assert_aiortc_unchanged()
    async with asyncio.TaskGroup() as group:
        detector = group.create_task(loader.load("voice detector (Silero)", SileroDetector))
        recogniser = group.create_task(loader.load("recogniser", partial(_recogniser, settings, parts.pool)))
        voices = group.create_task(loader.load("voice", partial(_voices, settings, parts.pool)))
    silero = detector.result()
    parts.call_services = CallServices(
        activity=lambda: ChunkedActivity(silero.stream, parts.policy.settle_s),
        recogniser=recogniser.result(),
        voices=voices.result(),
        policy=parts.policy,
        fed_leg=WebSocketLeg,
        peer_leg=partial(WebRtcPeer, ice_servers=settings.ice_servers, include_loopback=settings.include_loopback),
    )


async def load_speaker(parts: Parts, settings: Settings, loader: Loader) -> None:
    # Only the best of them: a gateway has the last one itself.
    voices = await loader.load("voice", partial(_voices, settings))
    parts.audio_works["tts"] = speak_requests(voices[0])


async def load_hearer(parts: Parts, settings: Settings, loader: Loader) -> None:
    parts.audio_works["stt"] = recognise_requests(await loader.load("recogniser", partial(_recogniser, settings)))


def _recogniser(settings: Settings, pool: WorkerPool | None = None) -> Recogniser:
    if pool is not None and "stt" in settings.remote:
        return RemoteRecogniser(pool)
    return WhisperRecogniser(settings.model)


def _voices(settings: Settings, pool: WorkerPool | None = None) -> tuple[Voice, ...]:
    """Return the voices of a gateway, the best first; espeak, which needs no model and knows most languages, last."""
    name, language = settings.voice, settings.language
    english = language.split("-")[0] == "en"
    # Numbers and units are spelled out in English; in other languages espeak reads them itself.
    espeak = SpelledVoice(EspeakVoice()) if english else EspeakVoice(language.lower())
    if pool is not None and "tts" in settings.remote:
        return RemoteVoice(pool), espeak
    if name == "espeak":
        return (espeak,)
    if name == "edge":
        from adapters.voices.edge import EdgeVoice  # the only one that needs aiohttp, a tenth of a start

        return EdgeVoice(), espeak  # knows how things are said
    if not english:
        _log.warning("voice_missing", voice="piper", language=language, instead="espeak", advice="or --voice edge")
        return (espeak,)
    if importlib.util.find_spec("piper") is None:
        _log.warning("voice_missing", voice="piper", instead="espeak", advice="install voicechart[piper]")
        return (espeak,)
    return SpelledVoice(PiperVoice()), espeak
