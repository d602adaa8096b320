"""git's configuration files, as far as a repository's own goes: no includes, no other file.

Source: "CONFIGURATION FILE" in the manual page of git-config.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_BETWEEN = re.compile(r"(?:\s|[#;].*)*")
_SECTION = re.compile(r'\[\s*([\w.\-]+)\s*(?:"((?:[^"\\\n]|\\.)*)")?\s*\]')
_NAME = re.compile(r"([A-Za-z][\w\-]*)[ \t]*(=?)", re.ASCII)
_LINE = re.compile(r".*")
_ESCAPED = {"n": "\n", "t": "\t", "b": "\b"}
_SPACES = " \t\r"
_OFF = frozenset(("", "0", "no", "off", "false"))


class Key(NamedTuple):
    """Where a value stands: section and name in lower case, the subsection as written."""

    section: str
    subsection: str
    name: str


class Config:
    """The values of a configuration file, several to a name if it gives several."""

    def __init__(self, text: str) -> None:
        self._values: dict[Key, list[str]] = {}
        section = subsection = ""
        text = text.lstrip("\ufeff").replace("\r\n", "\n")
        at = _end(_BETWEEN, text, 0)
        while at < len(text):
            header, named = _SECTION.match(text, at), _NAME.match(text, at)
            if header is not None:
                section, _, dotted = header[1].lower().partition(".")
                subsection = dotted if header[2] is None else re.sub(r"\\(.)", r"\1", header[2])
                at = header.end()
            elif named is not None and section:
                value, at = _read_value(text, named.end()) if named[2] else ("true", named.end())
                self._values.setdefault(Key(section, subsection, named[1].lower()), []).append(value)
            else:  # garbled
                at = _end(_LINE, text, at)
            at = _end(_BETWEEN, text, at)

    def get(self, section: str, subsection: str, name: str) -> str:
        """Return the first value, or an empty string."""
        return self._values.get(Key(section, subsection, name), [""])[0]

    def is_on(self, section: str, name: str, default: bool) -> bool:
        """Return a switch; the last value counts."""
        values = self._values.get(Key(section, "", name))
        return default if values is None else values[-1].lower() not in _OFF

    def subsections(self, section: str) -> list[str]:
        """Return the names of a section's subsections, in the order of the file."""
        return list(dict.fromkeys(key.subsection for key in self._values if key.section == section))


def _end(pattern: re.Pattern[str], text: str, at: int) -> int:
    found = pattern.match(text, at)
    return at if found is None else found.end()


def _read_value(text: str, at: int) -> tuple[str, int]:
    """Return what stands behind an equals sign, unquoted and without comment, and where it ends."""
    value: list[str] = []
    spaces = 0  # that count only if something follows
    quoted = False
    while at < len(text) and text[at] != "\n":
        character = text[at]
        at += 1
        if character in _SPACES and not quoted:
            spaces += bool(value)
            continue
        if character in "#;" and not quoted:
            at = _end(_LINE, text, at)
            break
        value.extend(" " * spaces)
        spaces = 0
        if character == "\\":
            escaped, at = text[at : at + 1], at + 1
            value.extend("" if escaped == "\n" else _ESCAPED.get(escaped, escaped))
        elif character == '"':
            quoted = not quoted
        else:
            value.append(character)
    return "".join(value), at
