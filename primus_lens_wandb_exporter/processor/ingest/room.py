"""The bytes of bodies that arrive or wait: bounded, and not to be held by those that trickle."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager

from ..refusal import refuse_for_now

SLOW = 1.0  # seconds; what takes longer to arrive gives way, so that none does that needs no longer
_RETRY = 1  # seconds


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
        self._arrival: asyncio.Future[bytes] | None = None

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
        self.arrived()
        self._room.free += self._size
        self._size = 0

    def arrive(self, arrival: asyncio.Future[bytes]) -> None:
        """Note the task that reads the body: until it has arrived, it may have to give way."""
        self._arrival = arrival
        self._room.arriving[self] = None

    def arrived(self) -> None:
        """Let the body keep its place from now on."""
        self._room.arriving.pop(self, None)

    @property
    def is_slow(self) -> bool:
        """Whether its body has been arriving for long."""
        return time.monotonic() - self._began >= SLOW

    def give_way(self) -> None:
        """Break off the reading and leave."""
        self.gave_way = True
        self.leave()
        if self._arrival is not None:
            self._arrival.cancel()
