"""Where a repository comes from."""

from __future__ import annotations

from ..addresses import strip_credentials
from .config import Config


def find_remote(config: Config, branch: str) -> str:
    """Return the address of a remote without credentials, or an empty string.

    The branch's own remote comes first, then `origin`, then the others as written. A path of this
    machine is passed over: it names the machine's folders, and nothing that is known elsewhere.
    `url.<base>.insteadOf` is not applied: the base often holds a token.
    """
    names = [config.get("branch", branch, "remote"), "origin", *config.subsections("remote")]
    addresses = (strip_credentials(config.get("remote", name, "url")) for name in names)
    return next(filter(None, addresses), "")
