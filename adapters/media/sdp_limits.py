"""What an SDP offer may hold before anything parses it."""

from __future__ import annotations

from adapters.media.port import BadOffer

__all__ = ["check_offer"]

_MAX_BYTES = 16 * 1024
"""A browser's offer of voice and data is 2 to 6 KiB."""

_MAX_CANDIDATES = 50
_MAX_SSRC_LINES = 32
"""5000 of them kept the parser, and with it every call, busy for 0.3 s: its cost grows faster than their number."""

_MAX_MEDIA = 2
"""One section of audio, one of data: each more would cost a transport, sockets and a decoder thread."""


def check_offer(sdp: str, type_: str) -> None:
    """Refuse what could not be answered, or would keep the parser busy.

    Raises:
        BadOffer: The offer is of the wrong type, too large, or not one of voice and at most one data section.
    """
    if type_ != "offer":
        raise BadOffer(f"the description's type must be 'offer'; it is {type_[:20]!r}")
    size = len(sdp.encode("utf-8", "surrogatepass"))
    if size > _MAX_BYTES:
        raise BadOffer(f"the offer has {size} bytes; at most {_MAX_BYTES} are taken")
    if not sdp.startswith("v=0"):
        raise BadOffer("the offer is no SDP: it must begin with 'v=0' (RFC 8866, section 5.1)")
    lines = sdp.splitlines()
    _check_media([line.split(maxsplit=1)[0] for line in lines if line.startswith("m=")])
    _check_count(lines, "a=candidate:", "candidates", _MAX_CANDIDATES)
    _check_count(lines, "a=ssrc", "ssrc lines", _MAX_SSRC_LINES)
    _check_bundle(lines)
    # Without one the DTLS handshake would fail later, where nobody can be told.
    if not any(line.startswith("a=fingerprint:") for line in lines):
        raise BadOffer("the offer has no 'a=fingerprint' line; WebRTC requires DTLS (RFC 8827, section 6.5)")


def _check_media(sections: list[str]) -> None:
    if len(sections) > _MAX_MEDIA:
        raise BadOffer(f"the offer has {len(sections)} media sections; at most {_MAX_MEDIA} are taken")
    if sections.count("m=audio") != 1:
        raise BadOffer("the offer needs exactly one audio section ('m=audio')")
    if set(sections) - {"m=audio", "m=application"}:
        raise BadOffer("voice only: besides the audio section the offer may have one data section ('m=application')")


def _check_bundle(lines: list[str]) -> None:
    """Refuse a BUNDLE group that names sections which are not there: aiortc could neither use nor close it."""
    mids: list[list[str]] = []
    bundled: set[str] = set()
    for line in lines:
        if line.startswith("m="):
            mids.append([])
        elif line.startswith("a=mid:") and mids:
            mids[-1].append(line.removeprefix("a=mid:"))
        elif line.startswith("a=group:BUNDLE"):
            bundled.update(line.split()[1:])
    named = [section[0] for section in mids if len(section) == 1]
    if bundled and (len(set(named)) != len(mids) or not bundled <= set(named)):
        raise BadOffer("the offer's BUNDLE group does not match the 'a=mid' of its media sections (RFC 8843)")


def _check_count(lines: list[str], prefix: str, name: str, limit: int) -> None:
    count = sum(line.startswith(prefix) for line in lines)
    if count > limit:
        raise BadOffer(f"the offer has {count} {name}; at most {limit} are taken")
