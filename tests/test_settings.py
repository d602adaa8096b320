"""Settings: each from its variable, whatever stands in it; a bad value costs one clear warning."""

from __future__ import annotations

import dataclasses
import socket
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from primus_lens_wandb_exporter.settings import Settings, load

from .support.properties import patient

FIELDS = {field.name: field for field in dataclasses.fields(Settings)}
VARIABLES = {name: field.metadata["variable"] for name, field in FIELDS.items()}

# What an environment variable can hold: no NUL, and lone surrogates for bytes that are no UTF-8.
texts = st.text(st.characters(exclude_characters="\0"))
awkward = st.sampled_from(
    """
    true FALSE 0 1 yes No on off maybe -1 1e400 nan inf 1_000 0x10 ١٢ ² 5s 1,5 http:// http://h http://h:x
    http://h:99999 http://[::1 http://[::1]:80/ ftp://h //h h:8080 auto ALWAYS never a=b a=b,c =b a= ,
    """.split()
    + ["9" * 5000, "a=\udc80", "http://\udc80", "a=b\nc", "http://a b/", " ", "\t\n"]
)


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(VARIABLES.values(), texts | awkward)))
@hypothesis_settings(patient, max_examples=400)
def test_no_environment_breaks_loading_and_each_bad_value_is_named_once(environ: dict[str, str]) -> None:
    loaded = load(environ)
    bad = []
    for name, field in FIELDS.items():
        variable = VARIABLES[name]
        text = environ.get(variable, "").strip()
        origin = loaded.sources[name].origin
        assert loaded.sources[name].variable == variable
        if not text:
            assert origin == "default"
        elif origin == "default":
            bad.append(variable)
            (warning,) = [one for one in loaded.warnings if one.startswith(f"{variable}=")]
            assert warning.endswith(f"using {field.default!r}")
            if field.metadata["secret"]:
                assert "(not shown)" in warning
            else:
                assert repr(text) in warning or "…@" in warning
        if origin == "default":
            assert getattr(loaded.settings, name) == field.default
        assert isinstance(getattr(loaded.settings, name), type(field.default))
    assert len(loaded.warnings) == len(bad)


GOOD: dict[str, tuple[str, Any]] = {
    "workload_uid": ("w-1", "w-1"),
    "pod_uid": ("u-1", "u-1"),
    "pod_name": ("p-1", "p-1"),
    "pod_namespace": ("ns", "ns"),
    "api_base_url": ("https://host:8443/api/v1/", "https://host:8443/api/v1"),
    "hook": ("off", False),
    "api_reporting": ("No", False),
    "batch_size": (" 25 ", 25),
    "flush_interval": ("0.5", 0.5),
    "save_local": ("0", False),
    "output_path": ("/data/out", "/data/out"),
    "spool_size": ("0", 0),
    "system_interval": ("60", 60.0),
    "log_compute_metadata": ("yes", True),
    "enhance_metrics": ("TRUE", True),
    "debug": ("yes", True),
    "request_timeout": ("3", 3.0),
    "retry_timeout": ("0", 0.0),
    "shutdown_timeout": ("1.5", 1.5),
    "finish_timeout": ("0", 0.0),
    "sigterm": ("no", False),
    "token": ("s3cret", "s3cret"),
    "token_file": ("/var/run/token", "/var/run/token"),
    "headers": ("X-A=1, X-B = two=2 ", (("X-A", "1"), ("X-B", "two=2"))),
    "ca_file": ("/ca.pem", "/ca.pem"),
    "client_cert": ("/c.pem", "/c.pem"),
    "client_key": ("/k.pem", "/k.pem"),
    "proxy": ("http://proxy:3128", "http://proxy:3128"),
    "gzip": ("on", True),
}


def test_every_setting_is_tried() -> None:
    assert set(GOOD) == set(FIELDS)


@pytest.mark.parametrize("name", GOOD)
def test_a_good_value_is_taken(name: str) -> None:
    text, value = GOOD[name]
    loaded = load({VARIABLES[name]: text})
    assert getattr(loaded.settings, name) == value
    assert loaded.sources[name].origin == "environment"
    assert not loaded.warnings


BAD = {
    "api_base_url": ["host:8080", "ftp://host/", "http://", "http://host:port/"],
    "hook": ["maybe", "2"],
    "api_reporting": ["nein"],
    "batch_size": ["0", "-3", "1.5", "ten"],
    "flush_interval": ["0", "nan", "inf", "-1", "5s"],
    "save_local": ["\u00b2"],
    "request_timeout": ["0"],
    "retry_timeout": ["-1", "1e9"],
    "headers": ["no-equals", "=value", "A=b\r\nInjected: yes", "X-Price=\u20ac", "X Y=z"],
    "proxy": ["sometimes", "host:3128"],
}


@pytest.mark.parametrize(("name", "text"), [(name, text) for name in BAD for text in BAD[name]])
def test_a_bad_value_costs_one_warning_and_the_default_is_used(name: str, text: str) -> None:
    loaded = load({VARIABLES[name]: text, "WORKLOAD_UID": "w"})
    assert getattr(loaded.settings, name) == FIELDS[name].default
    assert loaded.sources[name].origin == "default"
    (warning,) = loaded.warnings
    assert warning.startswith(f"{VARIABLES[name]}=")
    assert "expected" in warning or "not valid" in warning
    assert loaded.settings.workload_uid == "w"


PATHS = ["output_path", "token_file", "ca_file", "client_cert", "client_key"]


@pytest.mark.parametrize("name", PATHS)
def test_a_relative_path_is_one_of_the_working_directory_at_the_time(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    loaded = load({VARIABLES[name]: "some/place"})
    assert getattr(loaded.settings, name) == str(tmp_path / "some" / "place")


@pytest.mark.parametrize("name", PATHS)
def test_a_relative_path_is_a_bad_value_where_the_working_directory_is_gone(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert getattr(load({VARIABLES[name]: "/some/place"}).settings, name) == "/some/place"
    loaded = load({VARIABLES[name]: "some/place"})
    assert getattr(loaded.settings, name) == ""
    assert [warning.startswith(f"{VARIABLES[name]}=") for warning in loaded.warnings] == [True]


def test_an_empty_or_blank_value_is_as_good_as_none() -> None:
    assert load(dict.fromkeys(VARIABLES.values(), "")) == load({})
    assert load(dict.fromkeys(VARIABLES.values(), "  ")) == load({})
    assert not load({}).warnings


def test_secrets_are_neither_in_warnings_nor_in_the_representation() -> None:
    loaded = load(
        {
            VARIABLES["token"]: "hunter2",
            VARIABLES["headers"]: "hunter2",
            VARIABLES["proxy"]: "ftp://user:hunter2@proxy",
        }
    )
    assert len(loaded.warnings) == 2
    assert "hunter2" not in repr(loaded)
    assert loaded.settings.token == "hunter2"


def test_inside_kubernetes_the_host_name_stands_in_for_the_pod_name() -> None:
    loaded = load({"KUBERNETES_SERVICE_HOST": "10.0.0.1"})
    assert loaded.settings.pod_name == socket.gethostname()
    assert loaded.sources["pod_name"].origin == "host name"
    assert loaded.settings.has_identity


def test_a_pod_name_that_is_set_wins_over_the_host_name() -> None:
    loaded = load({"KUBERNETES_SERVICE_HOST": "10.0.0.1", "POD_NAME": "pod-1"})
    assert loaded.settings.pod_name == "pod-1"


def test_outside_kubernetes_there_is_no_identity_and_nothing_is_reported() -> None:
    settings = load({}).settings
    assert settings.pod_name == ""
    assert not settings.has_identity
    assert not settings.reports


@pytest.mark.parametrize("name", ["WORKLOAD_UID", "POD_NAME"])
def test_either_name_is_identity_enough(name: str) -> None:
    assert load({name: "x"}).settings.reports
    assert not load({name: "x", VARIABLES["api_reporting"]: "false"}).settings.reports


def test_files_are_written_only_with_a_path_and_unless_switched_off() -> None:
    path, switch = VARIABLES["output_path"], VARIABLES["save_local"]
    assert not load({}).settings.writes_files
    assert load({path: "/out"}).settings.writes_files
    assert not load({path: "/out", switch: "false"}).settings.writes_files


def test_without_an_argument_the_environment_of_the_process_is_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("WORKLOAD_UID", "from the process")
    assert load().settings.workload_uid == "from the process"


@pytest.mark.parametrize("url", ["bot:hunter2@host:8080/api", "https://bot:hunter2@host:80a80/api"])
def test_the_password_of_a_bad_url_is_not_told(url: str) -> None:
    (warning,) = load({"PRIMUS_LENS_API_BASE_URL": url}).warnings
    assert "hunter2" not in warning
    assert "host" in warning
