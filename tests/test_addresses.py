"""Addresses of repositories and builds: where they lead to stays, who may go there does not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from primus_lens_wandb_exporter.evidence.addresses import strip_credentials

from .support.properties import patient

SECRET = "hunter2-planted"


@pytest.mark.parametrize(
    ("address", "stripped"),
    [
        ("https://github.com/team/repo.git", "https://github.com/team/repo.git"),
        ("HTTPS://Example.com:8443/a/b/", "https://Example.com:8443/a/b/"),
        (f"https://user:{SECRET}@example.com/r", "https://example.com/r"),
        (f"https://{SECRET}@example.com/r", "https://example.com/r"),
        (f"https://oauth2:{SECRET}@example.com:8443/r", "https://example.com:8443/r"),
        (f"https://a@b:{SECRET}@example.com/r", "https://example.com/r"),
        (f"https://example.com/r?private_token={SECRET}", "https://example.com/r"),
        (f"https://example.com/r#{SECRET}", "https://example.com/r"),
        ("https://[::1]:3000/r", "https://[::1]:3000/r"),
        ("ssh://git@example.com:2222/team/repo", "ssh://git@example.com:2222/team/repo"),
        (f"ssh://git:{SECRET}@example.com/r", "ssh://example.com/r"),
        ("ssh://alice@example.com/~alice/r", "ssh://example.com/~alice/r"),
        ("git+ssh://git@example.com/r", "git+ssh://git@example.com/r"),
        ("https://git@example.com/r", "https://example.com/r"),
        ("git@github.com:team/repo.git", "git@github.com:team/repo.git"),
        ("alice@example.com:team/repo.git", "example.com:team/repo.git"),
        ("example.com:team/repo.git", "example.com:team/repo.git"),
        ("  https://example.com/r\n", "https://example.com/r"),
    ],
)
def test_an_address_is_kept_without_credentials(address: str, stripped: str) -> None:
    assert strip_credentials(address) == stripped


@pytest.mark.parametrize(
    "address",
    [
        "",
        "/home/alice/repo.git",
        "../repo.git",
        "repo",
        "file:///home/alice/repo.git",
        f"https://user:{SECRET}/with-a-slash@example.com/r",
        f"https://user:12{SECRET}@example.com@",
        f"user:{SECRET}@example.com:r",
        f"ext::sh -c 'run {SECRET}'",
        f"codecommit::eu-west-1://{SECRET}@repo",
        f"data:,{SECRET}@x",
        "https://example.com/" + "x" * 2000,
    ],
)
def test_what_is_no_plain_address_of_a_host_is_left_out(address: str) -> None:
    assert strip_credentials(address) == ""


@pytest.mark.parametrize(
    "address",
    ["https://example.com/hf_" + "a" * 34, "git@example.com:x/token=" + SECRET],
)
def test_a_path_that_holds_a_credential_hides_the_address(address: str) -> None:
    assert strip_credentials(address) == "[redacted]"


odd = st.text(alphabet="ab@:/?#[]\\% \n\t.é", max_size=8)


@given(
    scheme=st.sampled_from(["https://", "http://", "ssh://", "git://", "HTTPS://", ""]),
    before=odd,
    after=odd,
    rest=odd,
)
@hypothesis_settings(patient, max_examples=1000)
def test_no_user_or_password_survives(scheme: str, before: str, after: str, rest: str) -> None:
    address = f"{scheme}{before}{SECRET}{after}@example.com/{rest}"
    assert SECRET not in strip_credentials(address)
