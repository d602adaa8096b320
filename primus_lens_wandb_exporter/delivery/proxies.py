"""Which proxy stands between us and the processor: none, for anything inside the cluster."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

_CLUSTER_SUFFIXES = (".svc", ".cluster.local", ".localhost")


def proxies_for(url: str, mode: str) -> dict[str, str]:
    """Return the `requests` proxies for a URL.

    Args:
        url: where the request goes.
        mode: `auto` takes `HTTP_PROXY` and its like, with `NO_PROXY`, except for cluster-local
            hosts; `always` takes them for those, too; `never` takes none; else the proxy's URL.
    """
    if mode == "never":
        return {}
    if mode not in ("auto", "always"):
        return {"http": mode, "https": mode}
    if mode == "auto" and is_cluster_local(urlsplit(url).hostname or ""):
        return {}
    from requests.utils import get_environ_proxies

    return dict(get_environ_proxies(url, no_proxy=None))


def is_cluster_local(host: str) -> bool:
    """Return whether a host name has no dot, is a service's, or is a private address."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        host = host.rstrip(".").lower()
        return "." not in host or host.endswith(_CLUSTER_SUFFIXES)
    return address.is_private or address.is_loopback or address.is_link_local
