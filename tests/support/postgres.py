"""A PostgreSQL of the tests' own, from Debian's package: on a Unix socket, as an ordinary user."""

from __future__ import annotations

import glob
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .delivery import wait_until

if TYPE_CHECKING:
    from trustme import LeafCert

PROGRAMS = max(glob.glob("/usr/lib/postgresql/1[5-9]/bin"), default="")
MISSING = "" if PROGRAMS else "needs PostgreSQL: apt-get install postgresql"
# `locked` needs its password, and so does everyone who comes by a network.
HBA = "local all locked scram-sha-256\nlocal all all trust\nhost all all all scram-sha-256\n"
QUICK = ("fsync=off", "full_page_writes=off", "synchronous_commit=off")  # a test's data may be lost


class Postgres:
    """A server; its owner is `lens`."""

    def __init__(self, folder: Path, settings: Sequence[str] = QUICK) -> None:
        self.folder = folder
        self._settings = ("listen_addresses=", *settings)
        self._user: dict[str, Any] = {}
        if os.geteuid() == 0:  # it refuses to run as root
            user = pwd.getpwnam("postgres")
            os.chown(folder, user.pw_uid, user.pw_gid)
            self._user = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        self._made = 0
        options = ["-U", "lens", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"]
        self._run("initdb", "-D", str(folder / "data"), *options)
        (folder / "data" / "pg_hba.conf").write_text(HBA)
        self.start()

    def start(self) -> None:
        """Start it and wait until it takes connections."""
        options = [word for setting in self._settings for word in ("-c", setting)]
        self._process = subprocess.Popen(
            [f"{PROGRAMS}/postgres", "-D", str(self.folder / "data"), "-k", str(self.folder), *options],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=self.folder,
            **self._user,
        )
        wait_until(self._answers)

    def stop(self) -> None:
        """Stop it at once: connections are cut."""
        self._process.send_signal(signal.SIGINT)
        self._process.wait(30)

    def url(self, database: str = "postgres", user: str = "lens") -> str:
        """Return where a database is."""
        return f"postgresql://{user}@/{database}?host={self.folder}"

    @contextmanager
    def database(self, *options: str) -> Iterator[str]:
        """A fresh database as long as it lasts."""
        self._made += 1
        name = f"test_{self._made}"
        self.run_sql(f"CREATE DATABASE {name} {' '.join(options)}")
        try:
            yield self.url(name)
        finally:
            self.run_sql(f"DROP DATABASE {name} WITH (FORCE)")

    def run_sql(self, *statements: str, url: str = "") -> None:
        """Run statements, each a transaction."""
        for statement in statements:
            ask_postgres(url or self.url(), statement)

    def speak_tls(self, certificate: LeafCert) -> None:
        """Encrypt connections from now on, for those who want it."""
        data = self.folder / "data"
        files = {"server.crt": certificate.cert_chain_pems[0], "server.key": certificate.private_key_pem}
        for name, pem in files.items():
            pem.write_to_path(str(data / name))
            os.chown(data / name, data.stat().st_uid, -1)
            (data / name).chmod(0o600)
        self.run_sql("ALTER SYSTEM SET ssl = on", "SELECT pg_reload_conf()")

    def _answers(self) -> bool:
        assert self._process.poll() is None
        ready = [f"{PROGRAMS}/pg_isready", "-q", "-h", str(self.folder)]
        return subprocess.run(ready).returncode == 0

    def _run(self, program: str, *arguments: str) -> None:
        command = [f"{PROGRAMS}/{program}", *arguments]
        subprocess.run(command, check=True, capture_output=True, cwd=self.folder, **self._user)


@contextmanager
def postgres_server(settings: Sequence[str] = QUICK) -> Iterator[Postgres]:
    """Run a server as long as it lasts, in a folder that its user may reach."""
    folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))
    try:
        server = Postgres(folder, settings)
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder)


def ask_postgres(url: str, question: str) -> list[tuple[Any, ...]]:
    """Return the rows of a question."""
    import psycopg

    with psycopg.connect(url, autocommit=True, options="-c search_path=primus_lens") as connection:
        cursor = connection.execute(question.encode())
        return cursor.fetchall() if cursor.description else []
