"""The figures that every process keeps."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Histogram

from statecharts.events import EVENT_TYPES

__all__ = ["EventFigures"]


class EventFigures:
    """How many facts were folded, with what outcome, and how long they took from publication."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._events = Counter(
            "voicechart_events", "Facts folded, by outcome.", ["event_type", "status"], registry=self.registry
        )
        self._latency = Histogram(
            "voicechart_event_latency_seconds",
            "Publication of a fact to its fold.",
            ["event_type"],
            buckets=(0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.3, 1, 3),
            registry=self.registry,
        )

        self._guesses = Counter(
            "voicechart_speculations", "Guesses at the next turn, by outcome.", ["outcome"], registry=self.registry
        )
        self._wasted = Counter(
            "voicechart_speculation_wasted_seconds",
            "Time that wrong guesses were worked on.",
            registry=self.registry,
        )
        self._ducks = Histogram(
            "voicechart_duck_seconds",
            "Arrival of the audio in which a voice is noticed over ours to the order to lower ours.",
            buckets=(0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1),
            registry=self.registry,
        )

        self._lag = Histogram(
            "voicechart_loop_lag_seconds",
            "How late the event loop called back.",
            buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.3, 1, 3),
            registry=self.registry,
        )
        self._late = Counter(
            "voicechart_late_replies",
            "Speech and words of tts and stt workers that nobody waited for any more.",
            registry=self.registry,
        )

    def note_lag(self, late_s: float) -> None:
        """Note how late the event loop was."""
        self._lag.observe(late_s)

    def count_late(self) -> None:
        """Note a reply to a request that is over."""
        self._late.inc()

    def note_duck(self, took_s: float) -> None:
        """Note how long a reflex took inside the gateway."""
        self._ducks.observe(took_s)

    def count_guess(self, *, hit: bool, worked_s: float) -> None:
        """Note a guess at the next turn and how long it was worked on."""
        self._guesses.labels("hit" if hit else "miss").inc()
        if not hit:
            self._wasted.inc(max(0.0, worked_s))

    def count(self, event_type: str, status: str, latency_s: float) -> None:
        """Note one fact; `status` is `accepted`, `dropped` or `failed`."""
        label = event_type if event_type in EVENT_TYPES else "unknown"
        self._events.labels(label, status).inc()
        self._latency.labels(label).observe(max(0.0, latency_s))
