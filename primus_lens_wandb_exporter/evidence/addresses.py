"""Addresses of repositories and builds, fit to leave the process."""

from __future__ import annotations

import re

from .redaction import hide_credentials

_HOST = r"(?P<host>[\w.\-]+|\[[0-9A-Fa-f:.]+\])"
_URL = re.compile(
    r"(?P<scheme>https?|ssh|git|git\+ssh|ssh\+git|ftps?)://(?:(?P<user>[^/?#]*)@)?"
    + _HOST
    + r"(?P<port>:\d*)?(?P<path>/[^?#@\s]*)?(?:[?#][^@]*)?",
    re.IGNORECASE | re.DOTALL,
)
# As scp takes it: `git@host:path`.
_SCP = re.compile(r"(?:(?P<user>[^/?#@:]*)@)?" + _HOST + r":(?P<path>(?!//)[^?#@\s:]+)")

_TOKEN_IN_PATH = re.compile(r"(?:^|/)(?:[0-9a-f]{32,}|[^/]+:[^/]+)(?=/|$)", re.IGNORECASE)

_LONGEST = 1024  # characters


def strip_credentials(address: str) -> str:
    """Return an address without user, password, query and fragment.

    The user `git` of an SSH address is everybody's, and stays. Empty for what is no address of a host:
    a path of this machine, a command, and whatever may hide a password that the pattern does not see.
    """
    address = address.strip()
    if len(address) > _LONGEST:
        return ""
    url = _URL.fullmatch(address)
    if url is not None:
        user = "git@" if url["user"] == "git" and "ssh" in url["scheme"].lower() else ""
        port, path = url["port"] or "", url["path"] or ""
        if _TOKEN_IN_PATH.search(path):
            return ""
        return hide_credentials(f"{url['scheme'].lower()}://{user}{url['host']}{port}{path}")
    scp = _SCP.fullmatch(address)
    if scp is not None:
        user = "git@" if scp["user"] == "git" else ""
        return hide_credentials(f"{user}{scp['host']}:{scp['path']}")
    return ""
