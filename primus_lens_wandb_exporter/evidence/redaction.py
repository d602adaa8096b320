"""Make a W&B config fit to leave the process: JSON-safe, of bounded size, without secrets."""

from __future__ import annotations

import re
from collections.abc import Mapping
from math import isfinite
from typing import Any

REDACTED = "[redacted]"

_SECRET_NAME = re.compile(
    r"token|secret|passw|credential|cookie|dsn|bearer|(?:^|[_.\-])(?:pwd|pass|auth|keys?)(?:$|[_.\-])"
    r"|api_?key|access_?key|private_?key|authorization|connection_?string|signature",
    re.IGNORECASE,
)
# Counts and settings of tokenizers, not credentials.
_HARMLESS_NAME = re.compile(
    r"tokeni[sz]|(?:num|max|min|total|seen|per|n|new|special|pad|eos|bos|unk|mask|sep|cls)_?tokens?"
    r"|tokens?_(?:per|seen|count|id|ids|type|length|limit|budget)",
    re.IGNORECASE,
)
_SECRET_VALUE = re.compile(
    r"\b(?:hf_[A-Za-z0-9]{20,}|sk-[A-Za-z0-9_\-]{16,}|gh[pousr]_[A-Za-z0-9]{20,}|github_pat_\w{20,}"
    r"|glpat-[\w\-]{16,}|xox[abeprs]-[\w\-]{10,}|AKIA[0-9A-Z]{16}|ASIA[0-9A-Z]{16}|AIza[\w\-]{30,}"
    r"|eyJ[\w\-]{8,}\.[\w\-]{8,}\.[\w\-]*|wandb_v1_\w{20,})"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY|://[^/\s:@]*:[^/\s@]+@|\bBearer\s+\S{8,}|^[0-9a-f]{40}$"
)

_MAX_DEPTH = 8
_MAX_VALUES = 2000
_MAX_TEXT = 2048  # characters
_CUT = "[cut]"


def looks_secret(name: str) -> bool:
    """Return whether a config name suggests that its value is a credential."""
    snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)
    return bool(_SECRET_NAME.search(_HARMLESS_NAME.sub("", snake)))


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

    def copy(self, value: Any, depth: int) -> Any:
        self._left -= 1
        if self._left < 0 or depth > _MAX_DEPTH:
            return _CUT
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, str):
            return self._copy_text(value)
        if isinstance(value, int):
            return int(value) if abs(value) < 2**63 else str(int(value))
        if isinstance(value, float):
            return float(value) if isfinite(value) else str(float(value))
        if isinstance(value, Mapping):
            return self._copy_mapping(value, depth)
        if isinstance(value, (list, tuple, set, frozenset)):
            return self._copy_sequence(value, depth)
        return f"<{type(value).__name__}>"

    def _copy_text(self, text: str) -> str:
        if _SECRET_VALUE.search(text):
            return REDACTED
        return text[:_MAX_TEXT] + _CUT if len(text) > _MAX_TEXT else str.__str__(text)

    def _copy_mapping(self, mapping: Mapping[Any, Any], depth: int) -> dict[str, Any]:
        copied: dict[str, Any] = {}
        for key, value in tuple(mapping.items()):
            if self._left <= 0:
                copied[_CUT] = True
                break
            name = self._copy_text(str(key))
            secret = looks_secret(name) and value is not None and not isinstance(value, bool)
            copied[name] = REDACTED if secret else self.copy(value, depth + 1)
        return copied

    def _copy_sequence(self, values: Any, depth: int) -> list[Any]:
        copied = []
        for value in tuple(values):
            if self._left <= 0:
                copied.append(_CUT)
                break
            copied.append(self.copy(value, depth + 1))
        return copied
