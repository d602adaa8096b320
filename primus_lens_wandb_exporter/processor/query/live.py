"""`GET /stream`: what changes, as server-sent events; one question a second for all who listen.

The form is WHATWG's (html.spec.whatwg.org, 9.2). As the database is asked, what other replicas wrote is
told too.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Optional

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from ..auth import require
from ..refusal import Refusal
from ..settings import Settings
from ..store import Store
from .outside import key_of
from .parameters import read_keys, refuse
from .series import MOST_RUNS

_EVERY = 1.0  # seconds between two questions
_SIGN_OF_LIFE = 15.0  # seconds; proxies end what is silent
_MOST_LISTENERS = 1000
_MOST_CHANGED = 10_000  # runs of one event
_AT_ONCE = 10_000  # changes of one question
_MOST_MISSED = 100_000  # changes that are looked up for one who comes back

_log = logging.getLogger(__name__)
_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}  # nginx would hold it back

Steps = tuple[Optional[int], Optional[int]]  # first and last of new points; None: something else changed
Change = tuple[int, int, Optional[int], Optional[int]]  # seq, run, first and last step


class Listener:
    """One who listens: what is to be told next, which is bounded however slowly it is read.

    Attributes:
        seq: the last change of which it knows, once `take` is read.
        woken: there is something to be told.
    """

    def __init__(self, runs: Iterable[int], seq: int) -> None:
        self.seq = seq
        self.woken = asyncio.Event()
        self._runs = frozenset(runs)
        self._changed: dict[int, Steps] = {}
        self._lost = False

    def add(self, changed: Mapping[int, Steps]) -> None:
        """Note what changed, of the runs that it follows."""
        mine = changed.keys() & self._runs if self._runs else changed
        for run in mine:
            self._changed[run] = _join(self._changed.get(run, (None, None)), changed[run])
        if len(self._changed) > _MOST_CHANGED:
            self.lose()
        elif mine:
            self.woken.set()

    def lose(self) -> None:
        """Note that not all that changed is known: it is to load all again."""
        self._lost = True
        self._changed.clear()
        self.woken.set()

    def take(self) -> str:
        """Return what is to be told: an event, or a sign of life. Both bring the id on."""
        self.woken.clear()
        lost, changed = self._lost, self._changed
        self._lost, self._changed = False, {}
        if lost:
            return f"event: reset\nid: {self.seq}\ndata: {{}}\n\n"
        if not changed:
            return f": \nid: {self.seq}\n\n"
        runs = [
            {"run": key_of(run), "first_step": first, "last_step": last}
            for run, (first, last) in changed.items()
        ]
        return f"event: change\nid: {self.seq}\ndata: {json.dumps({'runs': runs})}\n\n"


class Live:
    """The path over one store; for one event loop.

    Args:
        every: seconds between two questions, while anybody listens.
    """

    def __init__(self, settings: Settings, store: Store, every: float = _EVERY) -> None:
        self._settings = settings
        self._store = store
        self._every = every
        self._most = min(_MOST_LISTENERS, settings.connections // 2)  # the rest is for who sends
        self._listeners: set[Listener] = set()
        self._asking: asyncio.Task[None] | None = None
        self._seq = 0
        self._stopped = False

    async def stream(self, request: Request) -> Response:
        """Answer events until the client goes or the server stops."""
        require(request, self._settings.read_token)
        runs, after = read_keys(request, MOST_RUNS), _read_after(request)
        if len(self._listeners) >= self._most:
            raise Refusal(429, "busy", "too many listen", {"Retry-After": "10"})
        known = await run_in_threadpool(self._store.newest_change)
        events = self._tell(runs, known[1] if after is None else after, *known)
        return StreamingResponse(events, headers=_HEADERS, media_type="text/event-stream")

    def stop(self) -> None:
        """Let all streams end, now and from now on; to be called in the event loop."""
        self._stopped = True
        for listener in self._listeners:
            listener.woken.set()

    async def _tell(self, runs: list[int], after: int, oldest: int, newest: int) -> AsyncIterator[str]:
        """Yield what changed since change `after`, and what changes from now on; both ends are known."""
        if len(self._listeners) >= self._most:  # many came at once
            return
        listener = Listener(runs, newest)
        self._listeners.add(listener)
        try:
            if len(self._listeners) == 1:  # nobody else needs what was before
                self._seq = max(self._seq, newest)
            if self._asking is None or self._asking.done():
                self._asking = asyncio.create_task(self._ask())
            if oldest - 1 <= after <= newest:
                await self._tell_missed(listener, runs, after)
            else:
                listener.lose()
            while not self._stopped:
                yield listener.take()
                try:
                    await asyncio.wait_for(listener.woken.wait(), _SIGN_OF_LIFE)
                except asyncio.TimeoutError:
                    pass
        finally:
            self._listeners.discard(listener)

    async def _tell_missed(self, listener: Listener, runs: list[int], after: int) -> None:
        """Tell what is looked up; the listener is told the news already, so nothing falls between."""
        missed = await run_in_threadpool(self._store.changes, after, runs, _MOST_MISSED)
        if len(missed) < _MOST_MISSED:
            listener.add(_summarise(missed))
        else:
            listener.lose()

    async def _ask(self) -> None:
        """Tell all what changed, as long as anybody listens."""
        while self._listeners and not self._stopped:
            await asyncio.sleep(self._every)
            try:
                await self._tell_news()
            except Exception:  # the database may be back the next time
                _log.exception("it is not known what changed")

    async def _tell_news(self) -> None:
        full = True
        while full:
            changes = await run_in_threadpool(self._store.changes, self._seq, (), _AT_ONCE)
            full = len(changes) == _AT_ONCE
            if changes:
                self._seq = changes[-1][0]
                changed = _summarise(changes)
                for listener in self._listeners:
                    listener.seq = max(listener.seq, self._seq)
                    listener.add(changed)


def _summarise(changes: Iterable[Change]) -> dict[int, Steps]:
    changed: dict[int, Steps] = {}
    for _, run, first, last in changes:
        changed[run] = _join(changed.get(run, (None, None)), (first, last))
    return changed


def _join(some: Steps, more: Steps) -> Steps:
    firsts = [first for first in (some[0], more[0]) if first is not None]
    lasts = [last for last in (some[1], more[1]) if last is not None]
    return min(firsts, default=None), max(lasts, default=None)


def _read_after(request: Request) -> int | None:
    """Return the last change that the client knows: its header is newer than its address."""
    text = request.headers.get("last-event-id") or request.query_params.get("after", "")
    if not text.strip():
        return None
    if not re.fullmatch(r"[0-9]{1,18}", text.strip()):
        refuse("after: expected the id of an event")
    return int(text)
