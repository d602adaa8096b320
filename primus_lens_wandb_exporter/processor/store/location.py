"""Where the store is: the path of a SQLite file, or the URL of a PostgreSQL database."""

from __future__ import annotations

import os
from urllib.parse import parse_qsl, urlencode, urlsplit

from . import Store, StoreError

SCHEMES = ("postgresql://", "postgres://")
SECRETS = ("password", "sslpassword")  # may also stand in a URL's query


def is_url(place: str) -> bool:
    """Return whether a place is a PostgreSQL database."""
    return place.startswith(SCHEMES)


def read_place(text: str) -> str:
    """Return an absolute path, or a URL as it is.

    Raises:
        ValueError: it is neither; the message holds nothing of the URL.
    """
    if not is_url(text):
        if "://" in text:
            raise ValueError("expected the path of a SQLite file or postgresql://user@host/database")
        return os.path.abspath(text)
    try:
        parts = urlsplit(text)
    except ValueError:
        raise ValueError("expected postgresql://user@host/database") from None
    # Else half of a password would be taken, and shown, as the name of a host.
    if text.count("@") > ("@" in parts.netloc) or parts.fragment:
        raise ValueError("write @ / # ? : of a user or password as %40 %2F %23 %3F %3A")
    return text


def show(place: str) -> str:
    """Return a place without passwords."""
    if not is_url(place):
        return place
    parts = urlsplit(place)
    user, at, hosts = parts.netloc.rpartition("@")
    query = urlencode([pair for pair in parse_qsl(parts.query) if pair[0] not in SECRETS], safe="/")
    return f"postgresql://{user.partition(':')[0]}{at}{hosts}{parts.path}{'?' if query else ''}{query}"


def open_store(place: str) -> Store:
    """Open the store at a place, with the engine that is needed for it.

    A SQLite file is made where it is missing, with its folder if that is our own; a database of
    PostgreSQL must be there.

    Raises:
        StoreError: it cannot be used.
    """
    if is_url(place):
        return _open_postgres(place)
    from .sqlite import SqliteStore

    folder = os.path.dirname(os.path.abspath(place))
    if os.path.basename(folder) == "primus-lens-wandb":
        try:
            os.makedirs(folder, mode=0o700, exist_ok=True)
        except OSError as error:
            reason = error.strerror or str(error)
            raise StoreError(
                f"cannot make the folder {folder}: {reason}; choose a file with --db"
            ) from None
    return SqliteStore(place)


def _open_postgres(url: str) -> Store:
    try:
        from .postgres import PostgresStore
    except ImportError as error:  # psycopg without libpq is one, too
        if (error.name or "psycopg").partition(".")[0] not in ("psycopg", "psycopg_pool"):
            raise
        raise StoreError(
            f"cannot use the database {show(url)}: psycopg is missing: "
            "pip install 'primus-lens-wandb-exporter[postgres]'"
        ) from None
    return PostgresStore(url)
