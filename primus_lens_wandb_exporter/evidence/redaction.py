"""Make a W&B config fit to leave the process: JSON-safe, of bounded size, without secrets."""

from __future__ import annotations

import re
from collections.abc import Mapping
from json import dumps
from math import isfinite
from typing import Any

REDACTED = "[redacted]"

# Names are read as words: `dbPassword`, `db_password` and `db.password` are the same two.
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")
_SECRET_WORDS = frozenset(
    """
    apikey auth authorization bearer cookie cookies credential credentials dsn jwt key keys oauth otp
    pass passphrase passwd password passwords pat pgpass pw pwd sas secret secrets signature token
    tokens webhook
    """.split()
)
_SECRET_PHRASES = frozenset(("connection string", "connectionstring", "conn str"))
# A key or a token in the language of models is not a credential.
_HARMLESS_BEFORE = {
    "token": frozenset(
        "special pad eos bos unk mask sep cls image video audio stop start end per".split()
    ),
    "tokens": frozenset(
        "max min num n total new seen per special image video audio stop batched".split()
    ),
    "key": frozenset("sort group image label text".split()),
    "keys": frozenset("num n image label text".split()),
}
_HARMLESS_AFTER = {
    "token": frozenset(
        "id ids count counts limit length budget type types embedding embeddings dropout size".split()
    ),
    "tokens": frozenset("per seen count limit budget".split()),
    "key": frozenset("value dim size padding bias mask heads frame frames".split()),
}
# Words run together: `dbpassword`, `accesstoken`, `secretkey`.
_RUN_TOGETHER = re.compile(
    r".(?:password|passwd|secret|token|apikey|credential)s?$"
    r"|^(?:secret|access|private|auth|ssh|openai|wandb|hf|aws|gcp|azure)keys?$|^(?:db|pg|my|smtp|ftp)pass$"
)
_SECRET_VALUE = re.compile(
    r"\b(?:hf_[A-Za-z0-9]{20,}|sk-[A-Za-z0-9_\-]{16,}|gh[pousr]_[A-Za-z0-9]{20,}|github_pat_\w{20,}"
    r"|glpat-[\w\-]{16,}|xox[abeprs]-[\w\-]{10,}|AKIA[0-9A-Z]{16}|ASIA[0-9A-Z]{16}|AIza[\w\-]{30,}"
    r"|eyJ[\w\-]{8,500}\.[\w\-]{8,}|wandb_v1_\w{20,}|npm_[A-Za-z0-9]{30,}|xapp-[\w\-]{10,}"
    r"|dop_v1_[0-9a-f]{30,}|hooks\.slack\.com/services/\S|(?:[?&]sig=)\S{8})"
    r"|(?i:(?:key|token|secret|passw(?:or)?d|pwd|pass)[\"']?\s*[=:]\s*\S)"
    r"|(?i:(?<![\w\-])--?[\w\-]{0,60}?(?:key|token|secret|passw(?:or)?d|pwd)\s+\S)"
    r"|(?i:\bauthorization\s*:)|\s(?:-u|--user)[ =][^\s:]+:\S"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY|://(?!git@)[^/\s@]+@|\bBearer\s+\S{8,}|(?<![\w\-])(?:local-)?[0-9a-f]{40}(?![\w\-])"
    r"|nvapi-[\w\-]{20,}|[sr]k_live_\w{16,}|ya29\.[\w\-]{16,}|dapi[0-9a-f]{32}"
    r"|(?i:[?&](?:x-amz-|x-goog-)?signature=\S)"
)

# Forty hexadecimal digits are a W&B key, unless their name calls them a commit.
_COMMIT_NAME = re.compile(
    r"(?:^| )(?:git)?(?:commit|revision|rev|sha)(?: ?(?:sha|hash|id|oid|1|256))*$"
    r"|(?:^| )(?:git|vcs|head) ?(?:hash|head|ref)$"
)
_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")

_LONGEST_CREDENTIAL = 512  # characters beyond a cut that are looked at

_MAX_DEPTH = 8
_MAX_VALUES = 2000
_MAX_TEXT = 2048  # characters
_MAX_BYTES = 128 * 1024  # of all text together, as JSON
_CUT = "[cut]"


def looks_secret(name: str) -> bool:
    """Return whether a config name suggests that its value is a credential."""
    words = [word.lower() for word in _WORD.findall(name)]
    if _SECRET_PHRASES & {" ".join(pair) for pair in zip(words, words[1:])} | _SECRET_PHRASES & set(
        words
    ):
        return True
    padded = ["", *words, ""]
    return any(
        (word in _SECRET_WORDS and not _is_harmless(before, word, after)) or _RUN_TOGETHER.search(word)
        for before, word, after in zip(padded, words, padded[2:])
    )


def _is_harmless(before: str, word: str, after: str) -> bool:
    if before in ("api", "access", "secret", "private", "auth", "ssh"):
        return False
    return before in _HARMLESS_BEFORE.get(word, ()) or after in _HARMLESS_AFTER.get(word, ())


def is_commit(name: str, value: Any) -> bool:
    """Return whether a value is the id of a commit, SHA-1 or SHA-256, under a name that says so."""
    if not isinstance(value, str) or not _COMMIT.fullmatch(value):
        return False
    return _COMMIT_NAME.search(" ".join(_WORD.findall(name)).lower()) is not None


def hide_credentials(text: str) -> str:
    """Return the text, or `"[redacted]"` if it looks as if it held a credential."""
    return REDACTED if _SECRET_VALUE.search(text) else text


def safe_text(text: str, limit: int) -> str:
    """Return at most `limit` characters of a text without credentials; looked for before it is cut."""
    return hide_credentials(text[: limit + _LONGEST_CREDENTIAL])[:limit]


def redact(config: Any) -> Any:
    """Return a copy with credentials replaced, at any depth.

    Values under names that look secret, and strings that look like credentials, become
    `"[redacted]"`. What JSON cannot express becomes its type's name; what is too deep, too long or
    too much becomes or ends in `"[cut]"`.
    """
    return _Redactor().copy(config, 0)


class _Redactor:
    def __init__(self) -> None:
        self._left = _MAX_VALUES
        self._room = _MAX_BYTES

    def copy(self, value: Any, depth: int) -> Any:
        self._left -= 1
        if self._left < 0 or depth > _MAX_DEPTH:
            return _CUT
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, str):
            return self._copy_text(value)
        if isinstance(value, int):
            return int(value) if value.bit_length() < 64 else f"<int of {value.bit_length()} bits>"
        if isinstance(value, float):
            return float(value) if isfinite(value) else str(float(value))
        if isinstance(value, Mapping):
            return self._copy_mapping(value, depth)
        if isinstance(value, (list, tuple, set, frozenset)):
            return self._copy_sequence(value, depth)
        return f"<{type(value).__name__}>"

    def _copy_text(self, text: str) -> str:
        head = text[: _MAX_TEXT + _LONGEST_CREDENTIAL]
        return REDACTED if hide_credentials(head) is REDACTED else self._keep_text(text)

    def _keep_text(self, text: str) -> str:
        text = text[:_MAX_TEXT] + _CUT if len(text) > _MAX_TEXT else str.__str__(text)
        self._room -= len(dumps(text))
        return text if self._room >= 0 else _CUT

    def _copy_mapping(self, mapping: Mapping[Any, Any], depth: int) -> dict[str, Any]:
        copied: dict[str, Any] = {}
        called = mapping.get("name", mapping.get("key"))  # as Kubernetes writes `{name: …, value: …}`
        for key, value in dict(mapping).items():  # another thread may change it
            if self._left <= 0 or self._room <= 0:
                copied[_CUT] = True
                break
            name = self._copy_text(str(key))
            secret = looks_secret(name) and value is not None and not isinstance(value, bool)
            secret = secret or (name == "value" and isinstance(called, str) and looks_secret(called))
            if secret:
                copied[name] = REDACTED
            elif is_commit(name, value):
                copied[name] = self._keep_text(value)
            else:
                copied[name] = self.copy(value, depth + 1)
        return copied

    def _copy_sequence(self, values: Any, depth: int) -> list[Any]:
        copied: list[Any] = []
        before: Any = None
        for value in tuple(values):
            if self._left <= 0:
                copied.append(_CUT)
                break
            # `["--api-key", "…"]`, `("Authorization", "…")`
            secret = isinstance(before, str) and len(before) < 100 and looks_secret(before)
            copied.append(REDACTED if secret else self.copy(value, depth + 1))
            before = value if secret is False else None
        return copied
