"""What a user may set: flags, then `VOICECHART_*`, then `voicechart.toml`, then the defaults."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, ValidationError
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from statecharts.events import VoicechartError

__all__ = ["CONFIG_FILE", "ROLES", "BadSetting", "Settings", "load_settings", "masked", "origin_of"]

CONFIG_FILE = "voicechart.toml"
ROLES = ("gateway", "orchestrator", "workers")
_HOME = Path(__file__).resolve().parents[1]
_BUS_SCHEMES = ("redis", "rediss", "unix", "memory")


class BadSetting(VoicechartError):
    """A setting that cannot be used; the message says which, where it came from and what is allowed."""


def _known_roles(roles: tuple[str, ...]) -> tuple[str, ...]:
    unknown = [role for role in roles if role not in ROLES]
    if unknown or not roles:
        raise ValueError(
            f"roles are some of {', '.join(ROLES)}, separated by commas; not {', '.join(unknown) or 'none'}"
        )
    return roles


def _known_bus(url: str) -> str:
    if url and urlsplit(url).scheme not in _BUS_SCHEMES:
        raise ValueError(
            "a bus is redis://host:port/db, rediss://…, unix:///path or memory:// (leave it out to bring one's own)"
        )
    return url


def _default_data() -> Path:
    if (_HOME / "pyproject.toml").exists():
        return Path(".voicechart")
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "voicechart"


class Settings(BaseSettings):
    """The effective settings of a process."""

    model_config = SettingsConfigDict(env_prefix="VOICECHART_", toml_file=CONFIG_FILE, extra="forbid", frozen=True)

    host: str = "127.0.0.1"
    port: int = Field(8000, ge=0, le=65535)
    bus: Annotated[str, AfterValidator(_known_bus)] = ""
    """Address of a Redis-compatible server; empty: one of our own."""
    roles: Annotated[tuple[str, ...], NoDecode, AfterValidator(_known_roles)] = ROLES
    knowledge: Path = _HOME / "knowledge"
    data: Path = Field(default_factory=_default_data)
    voice: Literal["piper", "espeak", "edge"] = "piper"
    model: str = "tiny.en"
    insecure: bool = False
    """Listen to other machines although nobody has to sign in."""
    drain_s: float = Field(8.0, ge=0)
    log_retention_s: float = Field(86_400.0, gt=0)
    session_streams: bool = True
    ice_servers: tuple[str, ...] = ()
    include_loopback: bool = False
    """Offer 127.0.0.1 to WebRTC clients, for machines without a network."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    policy: dict[str, object] = {}
    phrases: dict[str, object] = {}

    @property
    def bus_shown(self) -> str:
        """The bus in words fit for people."""
        return masked(self.bus) if self.bus else f"its own server, data in {self.data}"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Flags win over the environment, the environment over the file."""
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)


def masked(url: str) -> str:
    """Return an address without its password."""
    parts = urlsplit(url)
    if parts.password is None:
        return url
    return parts._replace(netloc=f"{parts.username or ''}:***@{parts.netloc.rpartition('@')[2]}").geturl()


def load_settings(**flags: object) -> Settings:
    """Return the effective settings.

    Args:
        flags: What was given on the command line; None is not given.

    Raises:
        BadSetting: A value cannot be used.
    """
    given = {name: value for name, value in flags.items() if value is not None}
    for name in ("roles", "ice_servers"):
        if isinstance(text := given.get(name, os.environ.get(f"VOICECHART_{name.upper()}")), str) and name == "roles":
            given[name] = tuple(part.strip() for part in text.split(",") if part.strip())
    if "bus" not in given and (fallback := _bus_fallback(os.environ)):
        given["bus"] = fallback
    try:
        return Settings(**given)  # type: ignore[arg-type]  # pydantic checks every value
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(map(str, first["loc"])) or "settings"
        told = str(first["msg"]).removeprefix("Value error, ")
        raise BadSetting(f"the setting {name} ({origin_of(name, flags)}) is {first['input']!r}: {told}") from error
    except ValueError as error:  # a file that is no TOML
        raise BadSetting(f"{CONFIG_FILE} cannot be read: {error}") from error


def _bus_fallback(environment: Mapping[str, str]) -> str:
    """Return the bus that `REDIS_URL` and `BROKER_TYPE` name, where nothing of ours does."""
    if environment.get("VOICECHART_BUS") or _in_file("bus"):
        return ""
    broker = environment.get("BROKER_TYPE", "redis_streams")
    if broker == "memory":
        return "memory://"
    if broker != "redis_streams":
        raise BadSetting(f"BROKER_TYPE is {broker!r}; this version knows redis_streams and memory")
    return environment.get("REDIS_URL", "")


def _in_file(name: str) -> bool:
    import tomllib

    path = Path(CONFIG_FILE)
    try:
        return path.exists() and name in tomllib.loads(path.read_text())
    except (OSError, ValueError):
        return False  # reading it for good will say what is wrong with it


def origin_of(name: str, flags: Mapping[str, object] | None = None) -> str:
    """Return where a setting's value comes from, in words."""
    top = name.split(".")[0]
    if (flags or {}).get(top) is not None:
        return f"--{top.replace('_', '-')}"
    if f"VOICECHART_{top.upper()}" in os.environ:
        return f"VOICECHART_{top.upper()}"
    if _in_file(top):
        return CONFIG_FILE
    return "REDIS_URL, BROKER_TYPE" if top == "bus" and _bus_fallback(os.environ) else "default"
