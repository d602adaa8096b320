"""The bytes of bodies that arrive or wait: bounded, and not to be held by those that trickle."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ..refusal import refuse_for_now

SLOW = 1.0  # seconds; what takes longer to arrive gives way, so that none does that needs no longer
_RETRY = 1  # seconds


class BrokenOff(Exception):
    """A body was not read to its end."""


class Room:
    """What all bodies share, for one event loop."""

    def __init__(self, size: int) -> None:
        self.free = size
        self.arriving: dict[Place, None] = {}  # that which began first is in front

    @contextmanager
    def place(self) -> Iterator[Place]:
        """Yield the place of one body, which is free again afterwards."""
        place = Place(self)
        try:
            yield place
        finally:
            place.leave()


class Place:
    """What one body takes of the room.

    Attributes:
        gave_way: whether it had to leave, because it was slow.
    """

    def __init__(self, room: Room) -> None:
        self.gave_way = False
        self._room = room
        self._size = 0
        self._began = time.monotonic()
        self._reader: asyncio.Task[Any] | None = None
        self._broken_off = False

    @contextmanager
    def arriving(self) -> Iterator[None]:
        """Read the body inside of this, in one task: until it has arrived, it can be broken off.

        Raises:
            BrokenOff: it was.
        """
        reader = self._reader = asyncio.current_task()
        self._room.arriving[self] = None
        try:
            yield
        except asyncio.CancelledError:
            if not self._broken_off:
                raise
            getattr(reader, "uncancel", int)()  # Python 3.11 counts
            raise BrokenOff from None
        finally:
            self._reader = None
            self._room.arriving.pop(self, None)

    def take(self, size: int) -> None:
        """Take room for `size` more bytes, if need be that of bodies that are slow.

        Raises:
            Refusal: 429, there is none.
        """
        while self._room.free < size:
            first = next(iter(self._room.arriving), self)
            if first is self or not first.is_slow:
                raise refuse_for_now(429, "busy", "too many bodies are on their way", _RETRY)
            first.give_way()
        self._room.free -= size
        self._size += size

    def leave(self) -> None:
        """Free what was taken."""
        self._room.free += self._size
        self._size = 0

    @property
    def is_slow(self) -> bool:
        """Whether its body has been arriving for long."""
        return time.monotonic() - self._began >= SLOW

    def give_way(self) -> None:
        """Leave at once, and break off the reading."""
        self.gave_way = True
        self._room.arriving.pop(self, None)
        self.leave()
        self.break_off()

    def break_off(self) -> None:
        """End the reading where it waits, if it still does."""
        if self._reader is not None:
            self._broken_off = True
            self._reader.cancel()
