"""Whom we trust, and who we are, on `https://`."""

from __future__ import annotations

import os
import ssl

try:
    import certifi
except ImportError:
    certifi = None  # type: ignore[assignment]

from ..settings import Settings


def make_context(settings: Settings) -> ssl.SSLContext:
    """Return a context that trusts the setting's CA file; without one, what `requests` would trust.

    That is `REQUESTS_CA_BUNDLE`, `CURL_CA_BUNDLE` or the authorities of `certifi`; here the system's
    own beside those.

    Raises:
        OSError: a file cannot be read; it names the file.
    """
    for path in (settings.ca_file, settings.client_cert, settings.client_key):
        if path:  # `ssl` does not say which file it missed
            open(path, "rb").close()
    bundle = (
        settings.ca_file
        or os.environ.get("REQUESTS_CA_BUNDLE")
        or os.environ.get("CURL_CA_BUNDLE")
        or None
    )
    if bundle and os.path.isdir(bundle):
        context = ssl.create_default_context(capath=bundle)
    else:
        context = ssl.create_default_context(cafile=bundle)
    if bundle is None and certifi is not None:
        context.load_verify_locations(certifi.where())
    if hasattr(ssl, "VERIFY_X509_STRICT"):
        # On from Python 3.13; authorities that clusters make for themselves rarely pass it.
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if settings.client_cert:
        context.load_cert_chain(settings.client_cert, settings.client_key or None)
    return context
