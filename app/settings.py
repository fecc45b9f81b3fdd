"""What a user may set: flags, then `VOICECHART_*`, then `voicechart.toml`, then the defaults."""

from __future__ import annotations

import math
import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

import msgspec
from pydantic import AfterValidator, BeforeValidator, Field, ValidationError
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    TomlConfigSettingsSource,
)

from app.dialogue.reading import DELIVERED, BadDialogue, read_phrases
from statecharts.events import VoicechartError
from statecharts.phrases import Phrases
from statecharts.policy import Policy

__all__ = ["CONFIG_FILE", "ROLES", "BadSetting", "Settings", "load_settings", "masked", "origin_of"]

CONFIG_FILE = "voicechart.toml"
ROLES = ("gateway", "orchestrator", "workers")
AUDIO_KINDS = ("tts", "stt")
"""Workers that answer a gateway by the media lane."""
_HOME = Path(__file__).resolve().parents[1]
_ICE_SERVER = re.compile(r"stuns?:[^?:@]+(:[0-9]+)?|turns?:[^?:@]+(:[0-9]+)?(\?transport=(udp|tcp))?")
"""What aiortc takes (RFC 7064 and 7065); it would refuse anything else only when somebody calls."""
_BUS_SCHEMES = (
    "redis", "rediss", "redis+cluster", "rediss+cluster", "redis+sentinel", "rediss+sentinel", "unix",
    "memory", "kafka",
)  # fmt: skip
_KAFKA = re.compile(
    r"kafka://[\w.-]+(:[0-9]{1,5})?(,[\w.-]+(:[0-9]{1,5})?)*/?(\?fetch_max_wait_ms=[1-9][0-9]{0,4})?", re.ASCII
)
"""The brokers to begin with, and how long one may hold a read that finds nothing."""


class BadSetting(VoicechartError):
    """A setting that cannot be used; the message says which, where it came from and what is allowed."""


def _split(value: object) -> object:
    """A list may be written with commas, as flags and the environment must."""
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _known_roles(roles: tuple[str, ...]) -> tuple[str, ...]:
    unknown = [role for role in roles if role not in ROLES]
    if unknown or not roles:
        raise ValueError(
            f"roles are some of {', '.join(ROLES)}, separated by commas; not {', '.join(unknown) or 'none'}"
        )
    return roles


def _known_remote(kinds: tuple[str, ...]) -> tuple[str, ...]:
    if unknown := [kind for kind in kinds if kind not in AUDIO_KINDS]:
        raise ValueError(f"workers of {', '.join(AUDIO_KINDS)} can be asked for, separated by commas; not {unknown[0]}")
    return tuple(dict.fromkeys(kinds))


def _known_bus(url: str) -> str:
    if url and url.partition(":")[0] not in _BUS_SCHEMES:
        raise ValueError(
            "a bus is redis://host:port/db, rediss://…, redis+cluster://host:port,host:port, "
            "redis+sentinel://host:port,host:port/master, unix:///path, kafka://host:port or memory:// "
            "(leave it out to bring one's own)"
        )
    if url and "," not in url:
        urlsplit(url)  # a ValueError says what is wrong with it
    if url.startswith("kafka:") and _KAFKA.fullmatch(url) is None:
        raise ValueError("Kafka is kafka://host:port,host:port; to it, ?fetch_max_wait_ms=10 may be added")
    return url


def _known_ice_servers(servers: tuple[str, ...]) -> tuple[str, ...]:
    for server in servers:
        if _ICE_SERVER.fullmatch(server) is None:
            raise ValueError(f"an ICE server is stun:host:port or turn:host:port?transport=udp; not {masked(server)!r}")
    return servers


def _of_policy(values: dict[str, object]) -> dict[str, object]:
    for name, value in values.items():
        if name not in Policy.__struct_fields__:
            raise ValueError(f"there is no {name!r}; there are {', '.join(Policy.__struct_fields__)}")
        if isinstance(value, int | float) and not 0 <= value < math.inf:
            raise ValueError(f"{name} is a number from 0 on; not {value}")
    try:
        msgspec.convert(values, Policy)
    except msgspec.ValidationError as error:
        raise ValueError(str(error)) from error
    return values


def _default_data() -> Path:
    if (_HOME / "pyproject.toml").exists():
        return Path(".voicechart")
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "voicechart"


class Settings(BaseSettings):
    """The effective settings of a process."""

    model_config = SettingsConfigDict(
        env_prefix="VOICECHART_", env_ignore_empty=True, toml_file=CONFIG_FILE, extra="forbid", frozen=True
    )

    host: str = "127.0.0.1"
    port: int = Field(8000, ge=0, le=65535)
    bus: Annotated[str, AfterValidator(_known_bus)] = ""
    """Address of a Redis-compatible server; empty: one of our own."""
    roles: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split), AfterValidator(_known_roles)] = ROLES
    processes: int = Field(0, ge=0, le=64)
    """How many serve side by side, watched by this one; 0: this one alone, unwatched."""
    knowledge: Annotated[Path, AfterValidator(Path.expanduser)] = _HOME / "knowledge"
    data: Annotated[Path, AfterValidator(Path.expanduser)] = Field(default_factory=_default_data)
    voice: Literal["piper", "espeak", "edge"] = "piper"
    model: str = "tiny.en"
    remote: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split), AfterValidator(_known_remote)] = ()
    """Which models (`tts`, `stt`) a gateway does not load: it asks workers."""
    insecure: bool = False
    """Listen to other machines although nobody has to sign in."""
    drain_s: float = Field(8.0, ge=0, allow_inf_nan=False)
    log_retention_s: float = Field(86_400.0, gt=0, allow_inf_nan=False)
    session_streams: bool = True
    ice_servers: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split), AfterValidator(_known_ice_servers)] = ()
    include_loopback: bool = False
    """Offer 127.0.0.1 to WebRTC clients, for machines without a network."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    policy: Annotated[dict[str, object], AfterValidator(_of_policy)] = {}
    dialogue: Annotated[Path, AfterValidator(Path.expanduser)] = DELIVERED
    """File of what we say of our own accord; what it leaves out is taken from the one that comes with us."""
    language: str = "en"
    """Which of its tables."""

    @property
    def rules(self) -> tuple[Policy, Phrases]:
        """Policy and phrases. Raises BadDialogue."""
        return msgspec.convert(self.policy, Policy), read_phrases(self.dialogue, self.language)

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
    """Return an address without its password, also one that is too broken to be taken apart."""
    without = re.sub(r"^([a-z+]+:(?://)?[^:/@]*):.*@", r"\1:***@", url)
    return re.sub(r"([?&](?:sentinel_)?password=)[^&]*", r"\1***", without)


def load_settings(**flags: object) -> Settings:
    """Return the effective settings.

    Args:
        flags: What was given on the command line; None is not given.

    Raises:
        BadSetting: A value cannot be used.
    """
    given = {name: value for name, value in flags.items() if value is not None}
    if "bus" not in given and (fallback := _bus_fallback(os.environ)):
        given["bus"] = fallback
    try:
        settings = Settings(**given)  # type: ignore[arg-type]  # pydantic checks every value
        settings.rules  # noqa: B018 - a file that cannot be used is told before anything starts
    except ValidationError as error:
        raise BadSetting(_told(error, flags)) from error
    except SettingsError as error:
        raise BadSetting(
            f'VOICECHART_POLICY holds a JSON object, such as {{"end_of_turn_s": 0.6}}; {error.__cause__ or error}'
        ) from error
    except BadDialogue as error:
        raise BadSetting(f"the setting dialogue ({origin_of('dialogue', flags)}): {error}") from error
    except (OSError, ValueError) as error:  # a file that cannot be opened, or is no TOML
        raise BadSetting(f"{CONFIG_FILE} cannot be read: {error}") from error
    return settings


def _told(error: ValidationError, flags: Mapping[str, object]) -> str:
    first = error.errors()[0]
    name = ".".join(map(str, first["loc"]))
    if first["type"] == "extra_forbidden":
        return f"{CONFIG_FILE}: there is no setting {name!r}; there are {', '.join(Settings.model_fields)}"
    value = first["input"]
    shown = repr(masked(value) if isinstance(value, str) else value)
    return (
        f"the setting {name} ({origin_of(name, flags)}) is {shown}: {str(first['msg']).removeprefix('Value error, ')}"
    )


def _bus_fallback(environment: Mapping[str, str]) -> str:
    """Return the bus that `BROKER_TYPE`, `REDIS_URL` and `KAFKA_BOOTSTRAP_SERVERS` name, where nothing of ours does."""
    if environment.get("VOICECHART_BUS") or _in_file("bus"):
        return ""
    broker = environment.get("BROKER_TYPE") or "redis_streams"
    if broker == "memory":
        return "memory://"
    if broker == "kafka":
        if servers := environment.get("KAFKA_BOOTSTRAP_SERVERS"):
            return f"kafka://{servers}"
        raise BadSetting("BROKER_TYPE is 'kafka', and KAFKA_BOOTSTRAP_SERVERS does not say where: host:port,host:port")
    if broker != "redis_streams":
        raise BadSetting(f"BROKER_TYPE is {broker!r}; this version knows redis_streams, memory and kafka")
    return environment.get("REDIS_URL", "")


def _in_file(name: str) -> bool:
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
    if os.environ.get(f"VOICECHART_{top.upper()}"):
        return f"VOICECHART_{top.upper()}"
    if _in_file(top):
        return CONFIG_FILE
    if top != "bus" or not (fallback := _bus_fallback(os.environ)):
        return "default"
    return "KAFKA_BOOTSTRAP_SERVERS, BROKER_TYPE" if fallback.startswith("kafka:") else "REDIS_URL, BROKER_TYPE"
