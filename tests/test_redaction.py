"""What leaves the process of a W&B config: no secret, nothing that JSON lacks, and not too much."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from primus_lens_wandb_exporter.evidence.redaction import (
    REDACTED,
    hide_credentials,
    looks_secret,
    redact,
    safe_text,
)

from .support import contract
from .support.properties import patient

SECRET = "hunter2-planted"

SECRET_NAMES = (
    """
    password passwd db_password DB_PASSWORD dbPassword db.password pwd db_pwd pass db-pass passphrase
    token api_token apiToken auth_token access_token accessToken refresh_token refreshToken hf_token
    HF_TOKEN session_token AWS_SESSION_TOKEN admin_token login_token json_token plugin_token
    authentication_token authorization_token bot_token bearer_token tokenizer_hub_token
    secret client_secret clientSecret SECRET_KEY webhook_secret
    api_key apiKey api-key apikey API_KEY wandb_api_key openai.api_key keys ssh_key private_key
    access_key AWS_ACCESS_KEY_ID aws_secret_access_key encryption_key license_key
    credential credentials gcp_credentials google_credentials auth basic_auth proxy-auth authorization
    cookie session_cookie dsn sentry_dsn bearer connection_string connectionString signature
""".split()
    + ["api key", "Access Key", "my token"]
)

HARMLESS_NAMES = """
    max_tokens num_tokens min_tokens total_tokens n_tokens max_new_tokens tokens_per_second
    max_num_batched_tokens
    tokens_seen token_count tokenizer tokenizer_name tokenizer_path Tokenizer tokenization pad_token
    pad_token_id eos_token bos_token unk_token mask_token num_special_tokens maxTokens numTokens
    hidden_size keyframes monkey keyboard turkey learning_rate lr epochs author authors passes bypass
    compass hockey num_key_value_heads monkeypatch n_layers seed dataset_name
""".split()

# Values that give themselves away under any name.
SECRET_VALUES = [
    "hf_" + "a" * 34,
    "sk-" + "proj-" + "b" * 40,
    "ghp_" + "c" * 36,
    "github_pat_" + "d" * 40,
    "glpat-" + "e" * 20,
    "xoxb-" + "1" * 20,
    "AKIA" + "A" * 16,
    "AIza" + "f" * 35,
    "eyJhbGciOiJI.eyJzdWIiOiIx.c2lnbmF0dXJl",
    "-----BEGIN RSA PRIVATE KEY-----\nMIIE",
    "postgres://user:hunter2@db.example.com/x",
    "Authorization: Bearer abcdefgh12345678",
    "0123456789abcdef" * 2 + "01234567",
    "wandb_v1_" + "g" * 30,
]


@pytest.mark.parametrize("name", SECRET_NAMES)
def test_a_name_that_looks_secret_hides_its_value(name: str) -> None:
    assert redact({name: SECRET}) == {name: REDACTED}


@pytest.mark.parametrize("name", HARMLESS_NAMES)
def test_a_harmless_name_keeps_its_value(name: str) -> None:
    assert not looks_secret(name)
    assert redact({name: 7}) == {name: 7}


@pytest.mark.parametrize("value", SECRET_VALUES, ids=[value[:8] for value in SECRET_VALUES])
def test_a_value_that_looks_secret_is_hidden_wherever_it_stands(value: str) -> None:
    found = redact({"a": value, "b": [value, {"c": (value,)}], value: 1})
    assert value not in json.dumps(found)
    assert json.dumps(found).count(REDACTED) == 4


def test_a_credential_in_the_middle_of_a_text_hides_the_text() -> None:
    assert redact(["python train.py --token=hf_" + "a" * 34]) == [REDACTED]


@pytest.mark.parametrize(
    "text",
    [
        "https://example.com/path",
        "https://example.com:8080/a@b",
        "s3://bucket/key",
        "adamw",
        "sk-learn",
        "0123456789abcdef",
        "bearer of news",
        "meta-llama/Llama-3.1-8B",
    ],
)
def test_ordinary_text_stays(text: str) -> None:
    assert redact({"a": text}) == {"a": text}


def test_none_and_switches_under_secret_names_tell_nothing_and_stay() -> None:
    config = {"api_key": None, "use_auth_token": True, "password": False}
    assert redact(config) == config


COMMIT = "0123456789abcdef" * 2 + "01234567"


@pytest.mark.parametrize(
    "name",
    """
    commit git_commit gitCommit git.commit GIT_COMMIT gitcommit commit_hash commitHash commit_id
    commit_sha sha sha1 git_sha sha_256 revision model_revision code-revision rev git_rev git_hash
    githash head_sha git_head vcs_ref
    """.split(),
)
@pytest.mark.parametrize("commit", [COMMIT, "0123456789abcdef" * 4])
def test_a_commit_under_a_name_that_says_so_stays(name: str, commit: str) -> None:
    assert redact({"nested": [{name: commit}]}) == {"nested": [{name: commit}]}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(
            (name, COMMIT)
            for name in """
            hash id value key ref head commits commitment committer_of shape reverse prev sharp
            commit_key sha_token git_commit_password revision_secret wandb commit_message commit_by
            """.split()
        ),
        ("commit", COMMIT + "\n"),
        ("commit", "ghp_" + "c" * 36),
        ("revision", "hf_" + "a" * 34),
        ("sha", "https://user:hunter2@example.com/x"),
        ("git_commit", "AKIA" + "A" * 16),
    ],
)
def test_nothing_else_passes_for_a_commit(name: str, value: str) -> None:
    assert redact({name: value}) == {name: REDACTED}


def test_a_commit_in_a_list_has_no_name_and_is_hidden() -> None:
    assert redact({"commit": [COMMIT]}) == {"commit": [REDACTED]}


ordinary = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10)
config_names = st.text(max_size=8)


@st.composite
def configs_with_a_secret(draw: st.DrawFn) -> Any:
    """Return a config with the secret somewhere in it, under a name that says so."""
    nested: Any = {draw(st.sampled_from(SECRET_NAMES)): draw(st.sampled_from(SHAPES))(SECRET)}
    for _ in range(draw(st.integers(0, 12))):
        around = draw(st.lists(ordinary, max_size=2))
        if draw(st.booleans()):
            nested = {**dict.fromkeys(draw(st.lists(config_names, max_size=2)), 1), "nested": nested}
        else:
            nested = [*around, nested] if draw(st.booleans()) else (nested, *around)
    return nested


SHAPES = [
    lambda secret: secret,
    lambda secret: secret.encode(),
    lambda secret: [secret],
    lambda secret: {"value": secret},
    lambda secret: ({"deep": [secret]},),
]


@given(configs_with_a_secret())
@hypothesis_settings(patient, max_examples=300)
def test_a_planted_secret_never_leaves(config: Any) -> None:
    assert SECRET not in json.dumps(redact(config))


class Odd:
    """Nothing that JSON knows, and not willing to be shown either."""

    def __repr__(self) -> str:
        raise RuntimeError("do not look at me")


anything = st.recursive(
    ordinary | st.binary(max_size=5) | st.complex_numbers() | st.builds(Odd) | st.just(Odd),
    lambda nested: (
        st.lists(nested, max_size=4)
        | st.tuples(nested, nested)
        | st.frozensets(st.integers() | st.text(max_size=3), max_size=3)
        | st.dictionaries(st.text(max_size=3) | st.integers() | st.none(), nested, max_size=4)
    ),
    max_leaves=20,
)


@given(st.dictionaries(config_names, anything, max_size=5))
@hypothesis_settings(patient, max_examples=200)
def test_whatever_a_config_holds_becomes_strict_json(config: dict[str, Any]) -> None:
    redacted = redact(config)
    assert contract.parse(json.dumps(redacted).encode()) == redacted


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (float("nan"), "nan"),
        (float("-inf"), "-inf"),
        (2**63, "<int of 64 bits>"),
        (object, "<type>"),
        (b"bytes", "<bytes>"),
        ({1: 2}, {"1": 2}),
        ({3}, [3]),
    ],
)
def test_what_json_lacks_becomes_text(value: Any, shown: Any) -> None:
    assert redact({"a": value}) == {"a": shown}


def test_a_number_with_too_many_digits_to_print_raises_nothing() -> None:
    assert json.loads(json.dumps(redact({"a": 10**5000, "b": 1})))["b"] == 1


def test_long_text_is_cut() -> None:
    (text,) = redact({"a": "x" * 1_000_000}).values()
    assert len(text) < 3000
    assert text.endswith("[cut]")


def test_long_names_are_cut() -> None:
    (name,) = redact({"x" * 1_000_000: 1})
    assert len(name) < 3000


def test_a_config_that_contains_itself_comes_to_an_end() -> None:
    config: dict[str, Any] = {"a": 1}
    config["self"] = [config, config]
    assert len(json.dumps(redact(config))) < 100_000


@pytest.mark.parametrize(
    "config",
    [
        {"list": list(range(1_000_000))},
        {str(i): i for i in range(100_000)},
        {"a": {str(i): {"b": [i] * 100} for i in range(1000)}},
    ],
    ids=["long list", "many names", "many nested"],
)
def test_a_large_config_is_cut_and_says_so(config: Mapping[str, Any]) -> None:
    text = json.dumps(redact(config))
    assert len(text) < 100_000
    assert "[cut]" in text


def test_the_largest_config_fits_into_a_body() -> None:
    """A detection record cannot be split, so what a processor refuses as too large is lost."""
    config = {f"{i}" + "n" * 5000: "v" * 5000 for i in range(5000)}
    size = len(json.dumps(redact(config)))
    assert size <= 256 * 1024


def test_the_caller_keeps_the_config_as_it_was() -> None:
    inner = {"password": "p", "list": [1, 2]}
    config = {"inner": inner}
    redact(config)
    assert config == {"inner": {"password": "p", "list": [1, 2]}}
    assert config["inner"] is inner


@pytest.mark.parametrize(
    "value",
    [
        "https://s3cr3ttoken@git.example.com/x.yaml",
        "ray://s3cr3ttoken@head:10001",
        "Server=x;Pwd=hunter2",
        "python train.py --pwd hunter2",
        "curl -u user:hunter2 https://example.com",
        "export X_PASS=abc",
        "https://hooks.slack.com/services/T000/B000/xyz",
        "https://a.blob.core.windows.net/c?sv=1&sig=abcdefgh1234",
        "npm_" + "n" * 36,
        "xapp-1-" + "x" * 12,
        "dop_v1_" + "0" * 64,
    ],
)
def test_more_values_that_give_themselves_away(value: str) -> None:
    assert redact({"a": value}) == {"a": REDACTED}


@pytest.mark.parametrize("name", "mysql_pw jwt gh_pat oauth otp sas conn_str webhook PGPASS".split())
def test_more_names_that_look_secret(name: str) -> None:
    assert looks_secret(name)


def test_a_name_beside_a_value_speaks_for_it() -> None:
    environment = [{"name": "DB_PASSWORD", "value": SECRET}, {"name": "RANK", "value": "0"}]
    assert redact({"env": environment}) == {
        "env": [{"name": "DB_PASSWORD", "value": REDACTED}, {"name": "RANK", "value": "0"}]
    }


def test_what_is_cut_is_looked_at_before() -> None:
    token = "ghp_" + "c" * 36
    assert safe_text("x" * 1000 + " " + token, 1024) == REDACTED
    assert safe_text("x" * 2000, 1024) == "x" * 1024


@pytest.mark.parametrize(
    "text",
    ["-" * 100_000, "eyJ" + "a" * 100_000, "-eyJaaaaaaaa" * 8000, "key " * 20_000, "://" * 30_000]
    + ["--a" * 30_000, "Bearer " * 10_000, "-----BEGIN " * 9000, "a" * 40 * 2000, "x -u " * 20_000],
    ids=range(10),
)
def test_no_text_keeps_the_search_busy(text: str) -> None:
    started = time.thread_time()
    hide_credentials(text[:8192])
    redact({"text": text})
    assert time.thread_time() - started < 1  # a quadratic search takes minutes
