"""The bytes of a request's body: never more of them than the limit, also out of gzip."""

from __future__ import annotations

import zlib

from starlette.requests import Request

from ..refusal import Refusal
from .room import Place

_STEP = 256 * 1024  # bytes unpacked at once
_GZIP = 16 + zlib.MAX_WBITS
_MOST_MEMBERS = 16


async def read_body(request: Request, limit: int, place: Place) -> bytes:
    """Return the body, unpacked, of `limit` bytes at most, for each of which it has taken room.

    What is too large is passed over up to as much again, so that most senders get to read the answer.

    Raises:
        Refusal: 413 too large, 415 not JSON or an unknown encoding, 400 broken gzip, 429 no room.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise Refusal(415, "media_type", "Content-Type: expected application/json")
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("identity", "gzip"):
        raise Refusal(415, "media_type", "Content-Encoding: expected gzip or none")
    raw = await _read(request, limit, place)
    if encoding == "identity":
        return raw
    body = unpack(raw, limit)
    place.take(len(body) - len(raw))
    return body


async def _read(request: Request, limit: int, place: Place) -> bytes:
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size <= limit:
            place.take(len(chunk))
            chunks.append(chunk)
        elif size > 2 * limit:
            break
        else:
            chunks.clear()
    if size > limit:
        raise _too_large(limit)
    return b"".join(chunks)


def unpack(packed: bytes, limit: int) -> bytes:
    """Return what gzip members hold together (RFC 1952, 2.2), stopping at the limit.

    Raises:
        Refusal: 413 more than `limit` bytes, 400 not gzip or cut short.
    """
    chunks: list[bytes] = []
    size = 0
    rest = packed
    try:
        members = 0
        while rest or not chunks:
            members += 1
            if members > _MOST_MEMBERS:  # each costs a copy of the rest
                raise Refusal(400, "gzip", f"the gzip body has more than {_MOST_MEMBERS} members")
            member = zlib.decompressobj(_GZIP)
            while not member.eof:
                chunk = member.decompress(rest, _STEP)
                rest = member.unconsumed_tail
                size += len(chunk)
                if size > limit:
                    raise _too_large(limit)
                chunks.append(chunk)
                if not chunk and not rest and not member.eof:
                    raise Refusal(400, "gzip", "the gzip body is cut short")
            rest = member.unused_data
    except zlib.error:
        raise Refusal(400, "gzip", "the body is not gzip") from None
    return b"".join(chunks)


def _too_large(limit: int) -> Refusal:
    error = f"the body is larger than {limit} bytes"
    return Refusal(413, "too_large", error, {"Connection": "close"})
