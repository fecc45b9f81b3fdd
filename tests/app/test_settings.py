"""Flags win over the environment, the environment over the file, the file over the defaults."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.settings import BadSetting, load_settings, masked, origin_of


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("REDIS_URL", "BROKER_TYPE", "KAFKA_BOOTSTRAP_SERVERS", "VOICECHART_INCLUDE_LOOPBACK"):
        monkeypatch.delenv(name, raising=False)


def test_each_source_wins_over_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (load_settings().port, origin_of("port")) == (8000, "default")
    (tmp_path / "voicechart.toml").write_text("port = 8001\n[policy]\nend_of_turn_s = 0.7\n")
    assert (load_settings().port, origin_of("port")) == (8001, "voicechart.toml")
    assert load_settings().policy == {"end_of_turn_s": 0.7}
    monkeypatch.setenv("VOICECHART_PORT", "8002")
    assert (load_settings().port, origin_of("port")) == (8002, "VOICECHART_PORT")
    assert load_settings(port=8003).port == 8003
    assert load_settings(port=None).port == 8002


def test_roles_are_a_list_with_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_settings(roles="gateway, workers").roles == ("gateway", "workers")
    monkeypatch.setenv("VOICECHART_ROLES", "orchestrator")
    assert load_settings().roles == ("orchestrator",)


def test_addresses_are_a_list_with_commas_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "voicechart.toml").write_text("ice_servers = ['stun:file:1']\n")
    assert load_settings().ice_servers == ("stun:file:1",)
    monkeypatch.setenv("VOICECHART_ICE_SERVERS", "stun:one:1, stun:two:2")
    assert load_settings().ice_servers == ("stun:one:1", "stun:two:2")


def test_an_empty_variable_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOICECHART_PORT", "")
    assert (load_settings().port, origin_of("port")) == (8000, "default")


def test_a_folder_may_begin_at_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOICECHART_DATA", "~/voices")
    assert load_settings().data == Path.home() / "voices"


def test_the_guides_names_for_the_bus_are_understood(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://elsewhere:6379/0")
    assert load_settings().bus == "redis://elsewhere:6379/0"
    assert load_settings(bus="redis://flag:1/0").bus == "redis://flag:1/0"
    monkeypatch.setenv("VOICECHART_BUS", "redis://ours:6379/0")
    assert load_settings().bus == "redis://ours:6379/0"
    monkeypatch.delenv("VOICECHART_BUS")
    monkeypatch.setenv("BROKER_TYPE", "memory")
    assert load_settings().bus == "memory://"
    monkeypatch.setenv("BROKER_TYPE", "kafka")
    with pytest.raises(BadSetting, match="KAFKA_BOOTSTRAP_SERVERS"):
        load_settings()
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "one:9092,two:9092")
    assert load_settings().bus == "kafka://one:9092,two:9092"
    assert origin_of("bus") == "KAFKA_BOOTSTRAP_SERVERS, BROKER_TYPE"
    monkeypatch.setenv("BROKER_TYPE", "rabbit")
    with pytest.raises(BadSetting, match="BROKER_TYPE"):
        load_settings()
    monkeypatch.setenv("BROKER_TYPE", "")
    monkeypatch.setenv("REDIS_URL", "redis://theirs:6379/0")
    assert load_settings().bus == "redis://theirs:6379/0", "what is empty is not set"


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ({"port": 99_999}, "port"), ({"port": "x"}, "--port"), ({"bus": "ftp://x"}, "redis://"),
        ({"bus": "kafka://"}, "kafka://host"), ({"bus": "kafka://one:9092,"}, "kafka://host"),
        ({"bus": "kafka://one:9092/topic"}, "kafka://host"),
        ({"bus": "kafka://one?fetch_max_wait_ms=0"}, "fetch_max_wait_ms"),
        ({"bus": "kafka://me:secret@one:9092"}, r"me:\*\*\*@one"),
        ({"roles": "singer"}, "gateway"), ({"roles": ""}, "roles"), ({"voice": "choir"}, "voice"),
        ({"ice_servers": "stun.example.org"}, "stun:host"), ({"ice_servers": "turn:me:secret@x"}, r"turn:me:\*\*\*@x"),
    ],
)  # fmt: skip
def test_a_wrong_value_is_said_with_its_name(flags: dict[str, object], said: str) -> None:
    with pytest.raises(BadSetting, match=said):
        load_settings(**flags)


def test_an_unknown_setting_and_a_broken_file_are_said(tmp_path: Path) -> None:
    (tmp_path / "voicechart.toml").write_text("colour = 'blue'\n")
    with pytest.raises(BadSetting, match="colour"):
        load_settings()
    (tmp_path / "voicechart.toml").write_text("port = \n")
    with pytest.raises(BadSetting, match=r"voicechart\.toml"):
        load_settings()


def test_a_wrong_number_of_turn_taking_is_said_before_anything_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "voicechart.toml"
    for table, said in (
        ("[policy]\nend_of_turn_ms = 1", "end_of_turn_s"), ("[policy]\nend_of_turn_s = 'long'", "float"),
        ("[phrases]\ngreeting = 'Hi'", "phrases"), ("[policy]\nend_of_turn_s = -1", "from 0 on"),
        ("[policy]\naway_s = nan", "from 0 on"), ("[policy]\naway_s = inf", "from 0 on"),
    ):  # fmt: skip
        file.write_text(table)
        with pytest.raises(BadSetting, match=said) as caught:
            load_settings()
        assert "voicechart.toml" in str(caught.value)
    file.unlink()
    monkeypatch.setenv("VOICECHART_POLICY", "end_of_turn_s=1")
    with pytest.raises(BadSetting, match="JSON"):
        load_settings()


def test_an_error_keeps_the_password(monkeypatch: pytest.MonkeyPatch) -> None:
    for url in ("http://me:secret@host", "redis://me:secret@[host"):
        monkeypatch.setenv("REDIS_URL", url)
        with pytest.raises(BadSetting, match="REDIS_URL") as caught:
            load_settings()
        assert "secret" not in str(caught.value)


def test_passwords_are_masked() -> None:
    assert masked("unix:///run/redis.sock?db=0&password=secret&x=1") == "unix:///run/redis.sock?db=0&password=***&x=1"
    assert masked("redis://me:se@cret/@host") == "redis://me:***@host"
    assert masked("redis://me:secret@host:6379/0") == "redis://me:***@host:6379/0"
    assert masked("redis://:secret@host") == "redis://:***@host"
    assert masked("redis://host:6379/0") == "redis://host:6379/0"
    assert masked("redis+cluster://me:secret@a:1,b:2") == "redis+cluster://me:***@a:1,b:2"
    assert masked("redis+sentinel://a:1/m?sentinel_password=secret") == "redis+sentinel://a:1/m?sentinel_password=***"
    assert masked("turn:me:secret@host") == "turn:me:***@host"
