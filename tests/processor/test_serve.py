"""`primus-lens-wandb serve`: starts plainly, stops without losing anything, and says what is wrong."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from primus_lens_wandb_exporter.processor.store.sqlite import SqliteStore

from ..support.senders import begin, encoded
from ..support.served import SERVE, Server, serve_environ, served


def refused(*options: str, cwd: Path, **environ: str) -> tuple[int, str]:
    """Return exit status and standard error of a server that does not start."""
    finished = subprocess.run(
        [*SERVE, *options],
        env=serve_environ(environ),
        capture_output=True,
        text=True,
        timeout=60,
        cwd=cwd,
    )
    assert "Traceback" not in finished.stderr
    assert finished.stderr.count("\n") == 1
    return finished.returncode, finished.stderr


def stored_steps(folder: Path) -> list[int]:
    store = SqliteStore(folder / "processor.db")
    try:
        return [row["iteration"] for row in store.points("w")]
    finally:
        store.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_stores_and_answers_what_is_on_its_way(tmp_path: Path, number: int) -> None:
    with served(tmp_path) as server:
        connections = [begin(server, encoded(step), whole=False) for step in range(5)]
        probe = begin(server, encoded(100), whole=True)  # answered: those before it have been read, too
        assert probe.getresponse().status == 200
        server.process.send_signal(number)
        server.wait_until_refused()
        for step, connection in enumerate(connections):
            connection.send(encoded(step)[-1:])
        assert [connection.getresponse().status for connection in connections] == [200] * 5
        assert server.wait() == 0
    assert stored_steps(tmp_path) == [0, 1, 2, 3, 4, 100]
    assert not list(tmp_path.glob("*-wal"))  # closed in good order


def test_a_sender_that_stalls_does_not_hold_up_the_stop(tmp_path: Path) -> None:
    with served(tmp_path, environ={"PRIMUS_LENS_PROCESSOR_SHUTDOWN_TIMEOUT": "1"}) as server:
        connection = begin(server, encoded(0), whole=False)
        probe = begin(server, encoded(1), whole=True)
        assert probe.getresponse().status == 200
        assert server.stop() == 0
        connection.close()
    assert stored_steps(tmp_path) == [1]


def test_a_body_that_never_arrives_gives_up_its_place(tmp_path: Path) -> None:
    environ = {"PRIMUS_LENS_PROCESSOR_QUEUE": "1", "PRIMUS_LENS_PROCESSOR_BODY_TIMEOUT": "0.2"}
    with served(tmp_path, environ=environ) as server:
        answer = begin(server, encoded(0), whole=False).getresponse()
        assert answer.status == 408
        assert begin(server, encoded(1), whole=True).getresponse().status == 200
        assert server.stop() == 0
    assert stored_steps(tmp_path) == [1]


def test_a_sender_that_goes_away_leaves_nothing(tmp_path: Path) -> None:
    with served(tmp_path) as server:
        begin(server, encoded(0), whole=False).close()
        assert begin(server, encoded(1), whole=True).getresponse().status == 200
        assert server.stop() == 0
        assert not [line for line in server.lines[1:] if not line.startswith("{")]  # no traceback
    assert stored_steps(tmp_path) == [1]


def test_the_access_log_tells_each_request_and_no_secret(tmp_path: Path) -> None:
    environ = {"PRIMUS_LENS_PROCESSOR_READ_TOKEN": "tooth"}
    with served(tmp_path, environ=environ) as server:
        address = urlsplit(server.url)
        connection = http.client.HTTPConnection(str(address.hostname), address.port)
        headers = {"Authorization": "Bearer tooth"}
        connection.request("GET", "/api/v1/workloads?search=tooth", headers=headers)
        assert connection.getresponse().read()
        connection.close()
        assert server.stop() == 0
    (line,) = server.access_log
    assert (line["method"], line["path"], line["status"]) == ("GET", "/api/v1/workloads", 200)
    assert "tooth" not in "".join([server.greeting, *server.lines])


@pytest.mark.parametrize("length", [True, False], ids=["told", "chunked"])
def test_a_sender_of_too_much_gets_to_read_why(tmp_path: Path, length: bool) -> None:
    with served(tmp_path, environ={"PRIMUS_LENS_PROCESSOR_MAX_BODY": "1000000"}) as server:
        address = urlsplit(server.url)
        for _ in range(2):
            connection = http.client.HTTPConnection(str(address.hostname), address.port)
            content: Any = b" " * 1_500_000 if length else (b" " * 1000 for _ in range(1500))
            headers = {"Content-Type": "application/json"}
            connection.request("POST", "/api/v1/wandb/metrics", content, headers)
            answer = connection.getresponse()
            assert (answer.status, json.loads(answer.read())) == (
                413,
                {"error": "the body is larger than 1000000 bytes"},
            )
            connection.close()


def test_a_refused_body_does_not_spoil_the_connection(tmp_path: Path) -> None:
    with served(tmp_path, environ={"PRIMUS_LENS_PROCESSOR_INGEST_TOKEN": "t"}) as server:
        address = urlsplit(server.url)
        connection = http.client.HTTPConnection(str(address.hostname), address.port)
        body = encoded(0, padding=" " * 500_000)
        for headers, status in (({}, 401), ({"Authorization": "Bearer t"}, 200)):
            headers = {"Content-Type": "application/json", **headers}
            connection.request("POST", "/api/v1/wandb/metrics", body, headers)
            answer = connection.getresponse()
            answer.read()
            assert answer.status == status
        connection.close()


def test_without_tokens_it_says_who_may_do_what(tmp_path: Path) -> None:
    with served(tmp_path) as server:
        assert server.url.startswith("http://127.0.0.1:")
        assert server.stop() == 0
    assert "everyone on this machine may write and read" in server.lines[0]
    with served(tmp_path, "--host", "0.0.0.0") as server:
        server.stop()
    assert "EVERYONE WHO REACHES THIS ADDRESS may write and read" in server.lines[0]
    environ = {"PRIMUS_LENS_PROCESSOR_INGEST_TOKEN": "a", "PRIMUS_LENS_PROCESSOR_HOST": "0.0.0.0"}
    with served(tmp_path, environ=environ) as server:
        server.stop()
    assert "EVERYONE WHO REACHES THIS ADDRESS may read: set PRIMUS" in server.lines[0]
    environ = {
        "PRIMUS_LENS_PROCESSOR_INGEST_TOKEN": "a",
        "PRIMUS_LENS_PROCESSOR_READ_TOKEN": "b",
    }
    with served(tmp_path, environ=environ) as server:
        server.stop()
    assert server.lines == []


def test_the_database_is_in_the_users_data_folder(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [*SERVE, "--port", "0"],
        env=serve_environ({"HOME": str(tmp_path), "XDG_DATA_HOME": ""}),
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        server = Server(process)
        assert server.stop() == 0
    finally:
        process.kill()
        process.wait()
    folder = tmp_path / ".local" / "share" / "primus-lens-wandb"
    assert (folder / "processor.db").is_file()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_port_in_use_is_said_and_no_database_made(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        status, said = refused("--port", port, "--db", str(tmp_path / "x.db"), cwd=tmp_path)
    assert status == 1
    assert f"cannot listen on 127.0.0.1 port {port}: Address already in use" in said
    assert not (tmp_path / "x.db").exists()


def test_an_address_that_is_none_is_said(tmp_path: Path) -> None:
    status, said = refused("--host", "192.0.2.1", "--port", "0", cwd=tmp_path)
    assert status == 1
    assert "cannot listen on 192.0.2.1 port 0" in said


def test_a_database_that_cannot_be_opened_is_said(tmp_path: Path) -> None:
    (tmp_path / "x.db").write_bytes(b"something else" * 999)
    status, said = refused("--port", "0", "--db", "x.db", cwd=tmp_path)
    assert status == 1
    assert str(tmp_path / "x.db") in said
    assert refused("--port", "0", "--db", "no/such/folder.db", cwd=tmp_path)[0] == 1
    (tmp_path / "file").touch()
    status, said = refused("--port", "0", cwd=tmp_path, XDG_DATA_HOME=str(tmp_path / "file"))
    assert status == 1
    assert "--db" in said


@pytest.mark.parametrize(
    ("options", "environ", "said"),
    [
        (["--port", "http"], {}, "--port='http': expected a port between 0 and 65535"),
        (
            ["--db", "mysql://h/d"],
            {},
            "--db=(not shown): expected the path of a SQLite file or postgresql:",
        ),
        (["--port", "70000"], {}, "--port='70000': expected"),
        ([], {"QUEUE": "0"}, "PRIMUS_LENS_PROCESSOR_QUEUE='0': expected a whole number of at least 1"),
        ([], {"SHUTDOWN_TIMEOUT": "nan"}, "SHUTDOWN_TIMEOUT='nan': expected seconds"),
        ([], {"SHUTDOWN_TIMEOUT": "0"}, "SHUTDOWN_TIMEOUT='0': expected seconds between 0.1 and 3600"),
        ([], {"BODY_TIMEOUT": "0"}, "BODY_TIMEOUT='0': expected seconds between 0.1 and 3600"),
        ([], {"READ_TOKEN": "se cret"}, "READ_TOKEN=(not shown): expected printable ASCII"),
        ([], {"READ_TOKEN_FILE": "/no/such"}, "READ_TOKEN_FILE='/no/such': No such file or directory"),
        ([], {"READ_TOKEN": " "}, "READ_TOKEN is empty: expected a token"),
        ([], {"INGEST_TOKEN_FILE": os.devnull}, "INGEST_TOKEN_FILE='/dev/null': the file is empty"),
        ([], {"READ_TOKEN": "a", "READ_TOKEN_FILE": "b"}, "READ_TOKEN_FILE are both set"),
    ],
)
def test_a_bad_setting_is_named(
    tmp_path: Path, options: list[str], environ: dict[str, str], said: str
) -> None:
    variables = {f"PRIMUS_LENS_PROCESSOR_{name}": value for name, value in environ.items()}
    status, error = refused(*options, cwd=tmp_path, **variables)
    assert status == 2
    assert said in error
    assert "se cret" not in error


def test_without_the_extra_it_says_how_to_install_it(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['uvicorn'] = None; "
        "from primus_lens_wandb_exporter.cli import main; sys.exit(main(['serve']))"
    )
    environ = serve_environ({"HOME": str(tmp_path)})
    finished = subprocess.run(
        [sys.executable, "-c", code], env=environ, capture_output=True, text=True, timeout=60
    )
    assert finished.returncode == 1
    assert re.fullmatch(
        r"primus-lens-wandb: uvicorn is missing: pip install '.*-exporter\[processor\]'\n",
        finished.stderr,
    )


def test_the_command_line_loads_nothing_of_the_processor_until_it_serves() -> None:
    code = (
        "import sys; from primus_lens_wandb_exporter.cli import main\n"
        "try: main(['serve', '--help'])\n"
        "except SystemExit: pass\n"
        "print([name for name in sys.modules if 'processor' in name or name == 'uvicorn'])"
    )
    finished = subprocess.run(
        [sys.executable, "-c", code], env=serve_environ(), capture_output=True, text=True, timeout=60
    )
    assert finished.stdout.splitlines()[-1] == "[]"
