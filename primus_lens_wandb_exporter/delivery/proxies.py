"""Which proxy stands between us and the processor: none, for anything inside the cluster."""

from __future__ import annotations

import ipaddress
import os
from urllib.parse import urlsplit

_CLUSTER_SUFFIXES = (".svc", ".cluster.local", ".localhost")


def proxy_for(url: str, mode: str) -> str:
    """Return the URL of the proxy for requests to a URL, or nothing.

    Args:
        url: where the request goes.
        mode: `auto` takes `HTTP_PROXY` and its like, with `NO_PROXY`, except for cluster-local
            hosts; `always` takes them for those, too; `never` takes none; else the proxy's URL.
    """
    if mode not in ("auto", "always"):
        return "" if mode == "never" else mode
    parts = urlsplit(url)
    if mode == "auto" and is_cluster_local(parts.hostname or ""):
        return ""
    if not any(name.lower().endswith("_proxy") for name in os.environ):
        return ""
    from urllib.request import (  # type: ignore[attr-defined]
        getproxies_environment,
        proxy_bypass_environment,
    )

    proxies = getproxies_environment()
    proxy = proxies.get(parts.scheme) or proxies.get("all") or ""
    if not proxy or proxy_bypass_environment(parts.netloc.rpartition("@")[2], proxies):
        return ""
    return proxy if "://" in proxy else f"http://{proxy}"


def is_cluster_local(host: str) -> bool:
    """Return whether a host name has no dot, is a service's, or is a private address."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        host = host.rstrip(".").lower()
        return "." not in host or host.endswith(_CLUSTER_SUFFIXES)
    return address.is_private or address.is_loopback or address.is_link_local
