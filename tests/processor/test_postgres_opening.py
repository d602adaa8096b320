"""Which databases the PostgreSQL store takes, and what it says of the others."""

from __future__ import annotations

import subprocess
import sys
from contextlib import closing

import pytest

from primus_lens_wandb_exporter.processor.store import StoreError
from primus_lens_wandb_exporter.processor.store.postgres import PostgresStore

from ..support.postgres import Postgres, ask_postgres
from .deliveries import curve, delivery

OPEN = (
    "import sys; from primus_lens_wandb_exporter.processor.store.postgres import PostgresStore;"
    "print('ready', flush=True); sys.stdin.read(1); PostgresStore(sys.argv[1]).close(); print('open')"
)


def refusal(url: str) -> str:
    """Return what is said of a refused database."""
    with pytest.raises(StoreError) as caught:
        PostgresStore(url)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def tables(url: str) -> list[tuple[str, str]]:
    return ask_postgres(
        url,
        "SELECT schemaname, tablename FROM pg_tables"
        " WHERE schemaname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1, 2",
    )


def test_what_was_stored_is_there_when_it_is_opened_again(database: str) -> None:
    with closing(PostgresStore(database)) as store:
        store.write([delivery("a", curve("loss", 2000))])
    with closing(PostgresStore(database)) as store:
        assert store.sources("w") == [{"name": "wandb", "count": 2000}]
        assert store.write([delivery("a")]) == [False]
        store.check()
    assert ask_postgres(database, "SELECT version FROM schema_version") == [(1,)]


def test_replicas_that_open_an_empty_database_at_once_all_get_it(database: str) -> None:
    command = [sys.executable, "-c", OPEN, database]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    racers = [subprocess.Popen(command, text=True, **pipes) for _ in range(3)]  # type: ignore[call-overload]
    for racer in racers:
        assert racer.stdout.readline() == "ready\n"
    for racer in racers:
        racer.stdin.write("x")
        racer.stdin.flush()
    assert [racer.communicate() for racer in racers] == [("open\n", "")] * 3
    assert ask_postgres(database, "SELECT version FROM schema_version") == [(1,)]


def test_what_others_keep_in_the_database_is_left_alone(database: str) -> None:
    ask_postgres(database, "CREATE TABLE public.run (name text)")
    with closing(PostgresStore(database)) as store:
        store.write([delivery("a", curve("loss", 3))])
    assert ask_postgres(database, "SELECT * FROM public.run") == []
    assert {schema for schema, _ in tables(database)} == {"public", "primus_lens"}


def test_a_schema_of_another_program_is_refused(database: str) -> None:
    ask_postgres(database, "CREATE SCHEMA primus_lens")
    ask_postgres(database, "CREATE TABLE primus_lens.cookies (name text)")
    assert "schema primus_lens is another program's" in refusal(database)
    assert tables(database) == [("primus_lens", "cookies")]


def test_a_newer_schema_is_refused(database: str) -> None:
    PostgresStore(database).close()
    ask_postgres(database, "INSERT INTO schema_version VALUES (999, now())")
    assert "its schema is 999" in refusal(database)


def test_a_migration_that_fails_leaves_nothing_behind(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripts = [b"CREATE TABLE a (b int)", b"CREATE TABLE c (d int); SELECT 1 / 0"]
    monkeypatch.setattr(
        "primus_lens_wandb_exporter.processor.store.postgres.opening._scripts", lambda: scripts
    )
    assert "division by zero" in refusal(database)
    assert tables(database) == []


def test_an_ordinary_user_may_have_the_schema_made_by_an_owner(
    postgres: Postgres, database: str
) -> None:
    postgres.run_sql("DROP ROLE IF EXISTS ordinary", "CREATE ROLE ordinary LOGIN")
    own = database.replace("lens@", "ordinary@")
    assert "CREATE SCHEMA primus_lens AUTHORIZATION" in refusal(own)
    ask_postgres(database, "CREATE SCHEMA primus_lens AUTHORIZATION ordinary")
    with closing(PostgresStore(own)) as store:
        assert store.write([delivery("a", curve("loss", 3))]) == [True]


def test_a_wrong_password_is_said_and_not_shown(postgres: Postgres) -> None:
    postgres.run_sql("DROP ROLE IF EXISTS locked", "CREATE ROLE locked LOGIN PASSWORD 'right'")
    said = refusal(postgres.url("postgres", "locked:wr%25ong"))
    assert "password authentication failed" in said
    assert "PGPASSWORD" in said
    assert "ong" not in said


@pytest.mark.parametrize("host", ["lens@127.0.0.1:1/lens", "/lens?host=/nonesuch"])
def test_whether_a_server_is_there_is_asked_once(host: str) -> None:
    said = refusal(f"postgresql://{host}")
    assert "; is the server running" in said
    assert said.count("s the server running") == 1


@pytest.mark.parametrize(("database", "user"), [("nowhere", "lens"), ("postgres", "nobody")])
def test_what_does_not_exist_is_said(postgres: Postgres, database: str, user: str) -> None:
    said = refusal(postgres.url(database, user))
    assert "does not exist" in said
    assert "make" in said


def test_a_database_that_cannot_hold_every_letter_is_refused(postgres: Postgres) -> None:
    with postgres.database("ENCODING LATIN1 LOCALE 'C' TEMPLATE template0") as url:
        assert "its encoding is LATIN1" in refusal(url)


def test_a_store_whose_tables_have_gone_is_not_well(database: str) -> None:
    with closing(PostgresStore(database)) as store:
        store.check()
        ask_postgres(database, "DROP TABLE batch")
        with pytest.raises(StoreError):
            store.check()
        with pytest.raises(StoreError):
            store.write([delivery("a")])


def test_a_server_that_only_reads_is_not_well(postgres: Postgres, database: str) -> None:
    PostgresStore(database).close()
    ((name,),) = ask_postgres(database, "SELECT current_database()")
    postgres.run_sql(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    with closing(PostgresStore(database)) as store:
        assert store.sources("w") == []
        with pytest.raises(StoreError, match="primary server"):
            store.check()
        with pytest.raises(StoreError, match="primary server"):
            store.write([delivery("a")])
