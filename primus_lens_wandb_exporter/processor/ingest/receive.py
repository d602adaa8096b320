"""`POST /wandb/…`: take a body, have it stored, and answer after the commit."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from ..answer import answer
from ..auth import require
from ..meters import Meters
from ..refusal import Refusal
from ..settings import Settings
from ..store import Busy, Delivery, Full, StoreError
from ..store.writer import Writer
from .body import read_body
from .decode import Origin, decode, identify

_log = logging.getLogger(__name__)
_RETRY_BUSY = 1  # seconds
_RETRY_FULL = 30
_LARGE = 256 * 1024  # bytes of a body


class Ingest:
    """The four POST paths over one writer."""

    def __init__(self, settings: Settings, writer: Writer, meters: Meters) -> None:
        self._settings = settings
        self._writer = writer
        self._meters = meters
        self._in_flight = 0

    async def take(self, request: Request) -> Response:
        """Answer one request; its kind is the last part of the path."""
        require(request, self._settings.ingest_token)
        if self._in_flight >= self._settings.queue:  # before its body takes room
            raise _later(429, "busy", "too many bodies are on their way", _RETRY_BUSY)
        self._in_flight += 1
        try:
            return await self._take(request)
        finally:
            self._in_flight -= 1

    async def _take(self, request: Request) -> Response:
        body = await self._read(request)
        path = request.url.path
        kind = path.rpartition("/")[2]
        key = identify(path, request.headers.get("idempotency-key", ""), body)
        origin = Origin(key, time.time_ns() // 1000)
        if len(body) > _LARGE:  # the others need not wait for it
            parts = await asyncio.get_running_loop().run_in_executor(None, decode, kind, body, origin)
        else:
            parts = decode(kind, body, origin)
        outcomes = dict(zip(parts, await asyncio.gather(*map(self._store, parts.values()))))
        if kind == "batch":
            return self._answer_batch(outcomes)
        (outcome,) = outcomes.values()
        if isinstance(outcome, Refusal):
            raise outcome
        return answer(outcome)

    async def _read(self, request: Request) -> bytes:
        try:
            reading = read_body(request, self._settings.max_body)
            return await asyncio.wait_for(reading, self._settings.body_timeout)
        except asyncio.TimeoutError:
            raise Refusal(
                408, "slow", "the body did not arrive in time", {"Connection": "close"}
            ) from None

    async def _store(self, delivery: Delivery) -> dict[str, Any] | Refusal:
        """Return what is to be said of a stored delivery, or why it is not stored."""
        count = sum(map(len, (delivery.points, delivery.entries, delivery.events, delivery.detections)))
        if not count:  # as the exporter's doctor asks: nothing is left behind
            return {"count": 0, "duplicate": False}
        begin = time.monotonic()
        try:
            new = await asyncio.wrap_future(self._writer.submit(delivery))
        except Busy:
            return _later(429, "busy", "too many bodies wait to be stored", _RETRY_BUSY)
        except Full:
            return _later(503, "full", "there is no room to store it", _RETRY_FULL)
        except StoreError as error:
            _log.error("%s", error)
            return _later(503, "store", "the database cannot be used at present", _RETRY_FULL)
        except Exception:
            _log.exception("a delivery could not be stored")
            return Refusal(500, "error", "it could not be stored")
        self._meters.commit_seconds.observe(time.monotonic() - begin)
        if new:
            self._meters.points.inc(len(delivery.points))
        else:
            self._meters.duplicates.inc()
        return {"count": count, "duplicate": not new}

    def _answer_batch(self, outcomes: Mapping[str, dict[str, Any] | Refusal]) -> Response:
        """Say of each part whether it is stored; if one is not, with the status of its refusal.

        The sender can then repeat the whole: what was stored is not stored again.
        """
        results: dict[str, Any] = {}
        worst: Refusal | None = None
        for name, outcome in outcomes.items():
            if isinstance(outcome, Refusal):
                results[name] = {"success": False, "error": outcome.error}
                self._meters.refusals.labels(outcome.reason).inc()
                worst = worst or outcome
            else:
                results[name] = {"success": True, **outcome}
        if worst is None:
            return answer({"results": results})
        return answer({"results": results}, worst.status, error=worst.error, headers=worst.headers)


def _later(status: int, reason: str, error: str, seconds: int) -> Refusal:
    return Refusal(status, reason, error, {"Retry-After": str(seconds)})
