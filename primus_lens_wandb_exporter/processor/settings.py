"""Every switch of the telemetry-processor, in one table: name, default, parser, help.

Options of the command line stand above the environment.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Callable, Union

from .bearer import TokenFile, check_token, reason
from .store.location import read_place

Token = Union[str, TokenFile]  # "": everyone may
PREFIX = "PRIMUS_LENS_PROCESSOR_"
_UNITS = {"d": 86400, "h": 3600, "m": 60, "s": 1}  # seconds
_CENTURY = 36525 * 86400


class BadSetting(ValueError):
    """A value that cannot be used; the message names the setting, never a secret."""


def _text(text: str) -> str:
    return text


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise ValueError("expected a port between 0 and 65535")
    return int(text)


def _positive_int(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise ValueError("expected a whole number of at least 1")
    return int(text)


def _seconds(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0.1 <= number <= 3600:
        raise ValueError("expected seconds between 0.1 and 3600")
    return number


def _duration(text: str) -> int:
    """Return seconds."""
    number, unit = text[:-1], _UNITS.get(text[-1:])
    if not (number.isascii() and number.isdecimal() and unit and 0 < int(number) * unit <= _CENTURY):
        raise ValueError("expected a duration such as 30d, 12h, 90m or 45s")
    return int(number) * unit


def _thin_to(text: str) -> int:
    if not text.isdecimal() or int(text) < 100:
        raise ValueError("expected a whole number of at least 100")
    return int(text)


def _setting(
    name: str, default: Any, parse: Callable[[str], Any], help: str, *, secret: bool = False
) -> Any:
    return field(
        default=default,
        repr=not secret,
        metadata={"variable": PREFIX + name, "parse": parse, "help": help, "secret": secret},
    )


@dataclass(frozen=True)
class Settings:
    """The processor's settings; see each field's `metadata` for variable, parser and help."""

    host: str = _setting("HOST", "127.0.0.1", _text, "Address to listen on.")
    port: int = _setting("PORT", 8080, _port, "Port to listen on; `0`: any that is free.")
    db: str = _setting(
        "DB",
        "",
        read_place,
        "SQLite file, or `postgresql://user@host/database`; "
        "unset: `primus-lens-wandb/processor.db` in the user's data folder.",
        secret=True,  # a URL may hold a password
    )
    max_body: int = _setting(
        "MAX_BODY", 8 * 1024 * 1024, _positive_int, "Bytes of one body, unpacked; more is answered 413."
    )
    queue: int = _setting(
        "QUEUE", 256, _positive_int, "Bodies that may wait to be stored; more are answered 429."
    )
    room: int = _setting(
        "ROOM",
        64 * 1024 * 1024,
        _positive_int,
        "Bytes of bodies that may arrive and wait, at least one of `MAX_BODY`; "
        "what finds no room is answered 429, slow ones first.",
    )
    connections: int = _setting(
        "CONNECTIONS",
        16_384,
        _positive_int,
        "Connections at once, half of them streams at most; each pod keeps one. "
        "For one more, that which has been idle for longest is closed.",
    )
    body_timeout: float = _setting(
        "BODY_TIMEOUT",
        30.0,
        _seconds,
        "Seconds that a request's headers may take to arrive, and then its body (408), "
        "and that an answer may wait to be read on.",
    )
    shutdown_timeout: float = _setting(
        "SHUTDOWN_TIMEOUT", 10.0, _seconds, "Seconds that a stop waits for what is on its way."
    )
    retain: int = _setting(
        "RETAIN",
        0,
        _duration,
        "Workloads that were not seen for so long (`30d`, `12h`) are removed; unset: never.",
    )
    thin_after: int = _setting(
        "THIN_AFTER",
        0,
        _duration,
        "Curves of runs that ended so long ago (`7d`) are thinned out; unset: never.",
    )
    thin_to: int = _setting(
        "THIN_TO", 2000, _thin_to, "Points that a curve keeps then, its lows and highs among them."
    )
    ingest_token: Token = _setting(  # noqa: RUF009 (a field, which the rule sees where types are plain)
        "INGEST_TOKEN", "", check_token, "Bearer token that senders must show.", secret=True
    )
    ingest_token_file: str = _setting(
        "INGEST_TOKEN_FILE", "", _text, "File with that token, read again when it changes."
    )
    read_token: Token = _setting(  # noqa: RUF009
        "READ_TOKEN", "", check_token, "Bearer token that readers must show.", secret=True
    )
    read_token_file: str = _setting(
        "READ_TOKEN_FILE", "", _text, "File with that token, read again when it changes."
    )


def load(environ: Mapping[str, str] | None = None, options: Mapping[str, Any] | None = None) -> Settings:
    """Read the settings: options that are not None, the environment, defaults. Empty is unset, but
    for a token.

    Raises:
        BadSetting: a value cannot be used, a token is empty, or its file cannot be read or is empty.
    """
    environ = os.environ if environ is None else environ
    given = {name: str(value) for name, value in (options or {}).items() if value is not None}
    values: dict[str, Any] = {}
    for setting in fields(Settings):
        variable = setting.metadata["variable"]
        text = given.get(setting.name, environ.get(variable, "")).strip()
        if not text:
            if setting.metadata["secret"] and variable in environ:  # an empty Secret would open the door
                raise BadSetting(f"{variable} is empty: expected a token, or no such variable")
            continue
        origin = f"--{setting.name.replace('_', '-')}" if setting.name in given else variable
        try:
            values[setting.name] = setting.metadata["parse"](text)
        except ValueError as error:
            shown = "(not shown)" if setting.metadata["secret"] else repr(text)
            raise BadSetting(f"{origin}={shown}: {error}") from None
    for name in ("ingest_token", "read_token"):
        path = values.get(f"{name}_file")
        if path and name in values:
            both = f"{PREFIX}{name.upper()}"
            raise BadSetting(f"{both} and {both}_FILE are both set: expected one of them")
        if path:
            values[name] = _open_token(f"{PREFIX}{name.upper()}_FILE", path)
    values.setdefault("db", default_db(environ))
    return Settings(**values)


def default_db(environ: Mapping[str, str]) -> str:
    """Return the SQLite file in the user's data folder (XDG Base Directory Specification)."""
    home = environ.get("XDG_DATA_HOME", "")
    if not os.path.isabs(home):  # the specification: anything else is to be ignored
        home = os.path.join(environ.get("HOME") or os.path.expanduser("~"), ".local", "share")
    return os.path.join(home, "primus-lens-wandb", "processor.db")


def _open_token(variable: str, path: str) -> TokenFile:
    try:
        return TokenFile(path)
    except (OSError, ValueError) as error:
        raise BadSetting(f"{variable}={path!r}: {reason(error)}") from None
