"""`POST /wandb/…`: take a body, have it stored, and answer after the commit."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from concurrent.futures import Future
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from ..answer import answer
from ..auth import require
from ..meters import Meters
from ..refusal import Refusal, refuse_for_now
from ..settings import Settings
from ..store import Busy, Delivery, Full, StoreError
from ..store.writer import Writer
from .body import read_body
from .decode import Origin, decode, identify
from .room import BrokenOff, Place, Room

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
        self._room = Room(max(settings.room, settings.max_body))

    async def take(self, request: Request) -> Response:
        """Answer one request; its kind is the last part of the path."""
        require(request, self._settings.ingest_token)
        if self._writer.is_full:  # before its body takes room
            raise _busy()
        with self._room.place() as place:
            body = await self._read(request, place)
            return await self._take(request, body)

    async def _take(self, request: Request, body: bytes) -> Response:
        path = request.url.path
        kind = path.rpartition("/")[2]
        key = identify(path, request.headers.get("idempotency-key", ""), body)
        origin = Origin(key, time.time_ns() // 1000)
        if len(body) > _LARGE:  # the others need not wait for it
            parts = await asyncio.get_running_loop().run_in_executor(None, decode, kind, body, origin)
        else:
            parts = decode(kind, body, origin)
        outcomes = await self._store(parts)
        if kind == "batch":
            return self._answer_batch(outcomes)
        (outcome,) = outcomes.values()
        if isinstance(outcome, Refusal):
            raise outcome
        return answer(outcome)

    async def _read(self, request: Request, place: Place) -> bytes:
        timer = asyncio.get_running_loop().call_later(self._settings.body_timeout, place.break_off)
        try:
            with place.arriving():
                return await read_body(request, self._settings.max_body, place)
        except BrokenOff:
            if place.gave_way:
                error = "the body was slow, and others needed its room"
                raise refuse_for_now(429, "slow", error, _RETRY_BUSY) from None
            error = "the body did not arrive in time"
            raise Refusal(408, "slow", error, {"Connection": "close"}) from None
        finally:
            timer.cancel()

    async def _store(self, parts: Mapping[str, Delivery]) -> dict[str, dict[str, Any] | Refusal]:
        """Return what is to be said of each part when it is stored, or why it is not.

        Raises:
            Refusal: 429, nothing was taken.
        """
        # What is empty leaves nothing behind, as when the exporter's doctor asks.
        filled = {name: delivery for name, delivery in parts.items() if delivery.count}
        try:
            futures = self._writer.submit_together(list(filled.values()))
        except Busy:
            raise _busy() from None
        outcomes = await asyncio.gather(*map(self._wait, filled.values(), futures))
        nothing: dict[str, Any] = {"count": 0, "duplicate": False}
        return {**dict.fromkeys(parts, nothing), **dict(zip(filled, outcomes))}

    async def _wait(self, delivery: Delivery, future: Future[bool]) -> dict[str, Any] | Refusal:
        begin = time.monotonic()
        try:
            new = await asyncio.wrap_future(future)
        except Full:
            return refuse_for_now(503, "full", "there is no room to store it", _RETRY_FULL)
        except StoreError as error:
            _log.error("%s", error)
            return refuse_for_now(503, "store", "the database cannot be used at present", _RETRY_FULL)
        except Exception:
            _log.exception("a delivery could not be stored")
            return Refusal(500, "error", "it could not be stored")
        self._meters.commit_seconds.observe(time.monotonic() - begin)
        if new:
            self._meters.points.inc(len(delivery.points))
        else:
            self._meters.duplicates.inc()
        return {"count": delivery.count, "duplicate": not new}

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


def _busy() -> Refusal:
    return refuse_for_now(429, "busy", "too many bodies wait to be stored", _RETRY_BUSY)
