"""The HTTP routes, from the outside."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from http import HTTPStatus

import httpx
import pytest

UNKNOWN = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
def http(live_server: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=live_server, timeout=10.0) as client:
        yield client


@pytest.fixture
def session(http: httpx.Client) -> str:
    made = http.post("/sessions", json={"user_id": "ada", "metadata": {"plan": "free"}})
    assert made.status_code == 201
    session_id: str = made.json()["session_id"]
    return session_id


def is_problem(response: httpx.Response, status: int) -> bool:
    body = response.json()
    return (
        response.status_code == status
        and response.headers["content-type"].startswith("application/problem+json")
        and body["status"] == status
        and body["title"] == HTTPStatus(status).phrase  # RFC 9457, section 4.2.1
        and bool(body["detail"])
    )


def test_a_session_is_created_with_a_token(http: httpx.Client) -> None:
    for body in ({}, {"user_id": "ada"}, None):
        made = http.post("/sessions", json=body) if body is not None else http.post("/sessions")
        assert made.status_code == 201
        told = made.json()
        assert uuid.UUID(told["session_id"]).version == 4
        assert told["token"]
        assert told["expires_at"] > time.time()


def test_what_describes_a_session_is_short(http: httpx.Client) -> None:
    bodies: list[object] = [{"user_id": 7}, {"metadata": []}, {"metadata": "x"}, [], "x", 7]
    for body in bodies:
        assert is_problem(http.post("/sessions", json=body), 400), body
    assert is_problem(http.post("/sessions", json={"metadata": {"x": "x" * 20_000}}), 413)


def test_a_session_can_be_looked_at_and_listed(http: httpx.Client, session: str) -> None:
    shown = http.get(f"/sessions/{session}").json()
    assert (shown["session_id"], shown["state"], shown["turn"]) == (session, "IDLE", 0)
    assert session in [item["session_id"] for item in http.get("/sessions").json()]


def test_user_and_metadata_go_into_every_envelope(http: httpx.Client, session: str) -> None:
    http.post(f"/sessions/{session}/events", json={"event_type": "voice.stt.final", "payload": {"text": "hello"}})
    deadline = time.monotonic() + 5.0
    types: set[str] = set()
    while "voice.rag.answer_ready" not in types and time.monotonic() < deadline:
        events = http.get(f"/sessions/{session}/events").json()
        types = {event["event_type"] for event in events}
    assert {"voice.session.started", "voice.stt.final", "voice.intent.request", "voice.intent.detected"} <= types
    for event in events:
        assert event["metadata"]["user_id"] == "ada"
        assert event["metadata"]["plan"] == "free"
    assert len({event["metadata"]["trace_id"] for event in events}) == 1


def test_an_outside_final_text_opens_a_turn(http: httpx.Client, session: str) -> None:
    event = {"event_type": "voice.stt.final", "payload": {"text": "what are your states", "origin": "typed"}}
    accepted = http.post(f"/sessions/{session}/events", json=event)
    assert accepted.status_code == 202
    assert accepted.json()["event_id"]
    deadline = time.monotonic() + 5.0
    turns: list[dict[str, object]] = []
    while not (turns and turns[0]["answer_text"]) and time.monotonic() < deadline:
        turns = http.get(f"/sessions/{session}/turns").json()
    assert turns[0]["user_text"] == "what are your states"
    assert "listening" in str(turns[0]["answer_text"])
    assert turns[0]["withdrawn"] is False


def test_the_log_is_read_on_from_a_position(http: httpx.Client, session: str) -> None:
    http.post(f"/sessions/{session}/events", json={"event_type": "voice.webrtc.mic_muted"})
    time.sleep(0.2)
    events = http.get(f"/sessions/{session}/events").json()
    ids = [event["id"] for event in events]
    assert len(set(ids)) == len(ids)
    for number, position in enumerate(ids):
        rest = http.get(f"/sessions/{session}/events", params={"after": position}).json()
        assert [event["id"] for event in rest] == ids[number + 1 :]
    for outside, count in (("0", len(events)), ("0-0", len(events)), ("9999999999999-0", 0)):
        assert len(http.get(f"/sessions/{session}/events", params={"after": outside}).json()) == count
    for bad in ("nonsense", "-1", f"{ids[0]}x"):
        assert is_problem(http.get(f"/sessions/{session}/events", params={"after": bad}), 400)


def test_the_log_comes_line_by_line_if_asked(http: httpx.Client, session: str) -> None:
    answer = http.get(f"/sessions/{session}/events", headers={"accept": "application/x-ndjson"})
    assert answer.headers["content-type"].startswith("application/x-ndjson")
    assert all(line.startswith("{") for line in answer.text.splitlines())
    assert answer.text.splitlines()


def test_a_deleted_session_is_gone(http: httpx.Client, session: str) -> None:
    assert http.delete(f"/sessions/{session}").status_code == 204
    for path in (f"/sessions/{session}", f"/sessions/{session}/events", f"/sessions/{session}/turns"):
        assert is_problem(http.get(path), 404)
    assert session not in [item["session_id"] for item in http.get("/sessions").json()]


@pytest.mark.parametrize("bad", ["nonsense", "1", "{p03}", "a" * 36, "../etc/passwd", "%00", "*"])
def test_a_session_id_that_is_no_uuid_is_refused(http: httpx.Client, bad: str) -> None:
    for method, path in (("GET", ""), ("GET", "/events"), ("GET", "/turns"), ("DELETE", "")):
        response = http.request(method, f"/sessions/{bad}{path}")
        assert 400 <= response.status_code < 500, (method, path, response.status_code)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400), (b"[]", 400), (b'"text"', 400), (b"\xff\xfe", 400), (b"{}", 400),
        (b'{"event_type": "voice.nothing.known"}', 400),
        (b'{"event_type": "voice.stt.final"}', 400),
        (b'{"event_type": "voice.stt.final", "payload": {"text": 7}}', 400),
        (b'{"event_type": "voice.stt.final", "payload": []}', 400),
        (b'{"event_type": "voice.orchestrator.state", "payload": {}}', 400),
        (b'{"event_type": "voice.tts.chunk_ready", "payload": {"audio_ms": "long"}}', 400),
        (b'{"event_type": "voice.stt.final", "session_id": "another", "payload": {"text": "x"}}', 400),
        (b'{"event_type": "voice.stt.final", "payload": {"text": "\xff"}}', 400),
        (b'{"event_type": "voice.webrtc.mic_muted", "metadata": {"x": ' + b"[" * 99 + b"]" * 99 + b"}}", 400),
        (b"[" * 60_000, 400), (b'{"a":' * 10_000, 400),
        (b'{"event_type": "voice.webrtc.mic_muted", "event_id": "' + b"x" * 200 + b'"}', 400),
        (b'{"event_type": "voice.stt.final", "payload": {"text": "' + b"x" * 65_536 + b'"}}', 413),
        (b"x" * 2_000_000, 413),
    ],
)  # fmt: skip
def test_a_bad_event_is_refused_as_a_problem(http: httpx.Client, session: str, body: bytes, status: int) -> None:
    response = http.post(f"/sessions/{session}/events", content=body, headers={"content-type": "application/json"})
    assert is_problem(response, status), response.text


@pytest.mark.parametrize(
    "body", [{}, {"sdp": "", "type": "offer"}, {"sdp": "garbage", "type": "offer"}, {"sdp": 7, "type": "offer"},
             {"sdp": "v=0\r\n" * 20_000, "type": "offer"}, {"sdp": "\0" * 100, "type": "offer"},
             {"sdp": "v=0", "type": "answer"}, {"sdp": "m=audio", "type": "offer"}]
)  # fmt: skip
def test_a_bad_offer_is_refused_as_a_problem(http: httpx.Client, session: str, body: dict[str, object]) -> None:
    response = http.post(f"/sessions/{session}/offer", json=body)
    assert is_problem(response, response.status_code), response.text
    assert response.status_code in (400, 413)
    assert http.get("/health/ready").status_code == 200


def test_what_is_unknown_is_a_404_problem(http: httpx.Client) -> None:
    assert is_problem(http.get(f"/sessions/{UNKNOWN}"), 404)
    assert is_problem(http.delete(f"/sessions/{UNKNOWN}"), 404)
    assert is_problem(http.post(f"/sessions/{UNKNOWN}/offer", json={"sdp": "v=0", "type": "offer"}), 404)
    for path in (
        "/nothing",
        "/schema/nothing",
        "/console",
        "/asyncapi.json",
        "/static/nothing.js",
        "/diagrams/nothing.svg",
    ):
        assert is_problem(http.get(path), 404), path


def test_head_is_answered_like_get_without_the_body(http: httpx.Client) -> None:
    for path, status in (("/", 200), ("/health/ready", 200), ("/diagrams/conversation.svg", 200), ("/nothing", 404)):
        head, got = http.head(path), http.get(path)
        assert (head.status_code, got.status_code, head.content) == (status, status, b"")
        assert head.headers["content-type"] == got.headers["content-type"]
        assert head.headers["content-length"] == got.headers["content-length"]


@pytest.mark.parametrize(("method", "path"), [("PUT", "/sessions"), ("POST", "/"), ("DELETE", "/health/live")])
def test_a_method_that_is_not_allowed_is_told_which_are(http: httpx.Client, method: str, path: str) -> None:
    refused = http.request(method, path)
    assert is_problem(refused, 405)
    assert "GET" in refused.headers["allow"]


@pytest.mark.parametrize(
    "path", ["/static/..%2f..%2fapplication.py", "/static/%00", "/static/a%00.js", "/diagrams/%00"]
)
def test_no_path_leads_out_of_the_pages(http: httpx.Client, path: str) -> None:
    assert http.get(path).status_code in (400, 404)


def test_the_page_and_its_files_are_served(http: httpx.Client) -> None:
    page = http.get("/")
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    assert "default-src 'self'" in page.headers["content-security-policy"]


@pytest.mark.usefixtures("session")  # there are figures of what has happened
def test_health_metrics_and_schema_are_there(http: httpx.Client) -> None:
    assert http.get("/health/live").status_code == 200
    assert http.get("/health/ready").json() == {"status": "ready", "missing": []}
    figures = http.get("/metrics").text
    assert 'voicechart_events_total{event_type="voice.session.started",status="accepted"}' in figures
    assert "voicechart_event_latency_seconds_bucket" in figures
    assert "session_id" not in figures
    for path in ("/schema", "/schema/openapi.json"):
        schema = http.get(path, headers={"accept": "text/html,*/*"})
        assert schema.headers["content-type"].startswith("application/json")
        assert "/sessions/{session_id}/turns" in schema.json()["paths"]


@pytest.mark.parametrize(
    ("name", "kind"),
    [("svg", "image/svg+xml"), ("png", "image/png"), ("dot", "text/"), ("mmd", "text/"), ("json", "application/json"),
     ("scxml", "application/")],
)  # fmt: skip
def test_the_chart_is_drawn(http: httpx.Client, name: str, kind: str) -> None:
    drawn = http.get(f"/diagrams/conversation.{name}")
    assert drawn.status_code == 200
    assert drawn.headers["content-type"].startswith(kind)
    assert len(drawn.content) > 500
