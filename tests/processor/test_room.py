"""The room that bodies share."""

from __future__ import annotations

import asyncio

import pytest

from primus_lens_wandb_exporter.processor.ingest import room as rooms
from primus_lens_wandb_exporter.processor.ingest.room import BrokenOff, Place, Room
from primus_lens_wandb_exporter.processor.refusal import Refusal


class Body:
    """A body that arrives and arrives."""

    def __init__(self, room: Room) -> None:
        self.place = Place(room)
        self.reading = asyncio.ensure_future(self._read())

    async def _read(self) -> None:
        with self.place.arriving():
            await asyncio.Event().wait()

    @classmethod
    async def begin(cls, room: Room, size: int) -> Body:
        body = cls(room)
        await asyncio.sleep(0)
        body.place.take(size)
        return body

    async def is_broken_off(self) -> bool:
        await asyncio.wait([self.reading], timeout=0)
        return self.reading.done() and isinstance(self.reading.exception(), BrokenOff)


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rooms, "SLOW", 0)


def test_what_is_taken_is_free_again_afterwards() -> None:
    room = Room(100)
    with room.place() as first, room.place() as second:
        first.take(60)
        second.take(40)
        second.take(-10)  # smaller when unpacked
        assert room.free == 10
    assert room.free == 100


def test_more_than_there_is_room_for_is_refused_for_now() -> None:
    with Room(100).place() as place:
        place.take(60)
        with pytest.raises(Refusal) as refused:
            place.take(41)
        assert (refused.value.status, refused.value.headers) == (429, {"Retry-After": "1"})
        place.take(40)


def test_those_that_are_fast_need_not_give_way() -> None:
    async def run() -> None:
        room = Room(100)
        body = await Body.begin(room, 60)
        with pytest.raises(Refusal):
            Place(room).take(60)
        assert not await body.is_broken_off()

    asyncio.run(run())


@pytest.mark.usefixtures("slow")
def test_of_the_slow_those_that_began_first_give_way_and_no_more_than_need_be() -> None:
    async def run() -> None:
        room = Room(100)
        bodies = [await Body.begin(room, 30) for _ in range(3)]
        Place(room).take(60)
        assert [body.place.gave_way for body in bodies] == [True, True, False]
        assert [await body.is_broken_off() for body in bodies] == [True, True, False]
        for body in bodies:
            body.place.leave()
        assert room.free == 40

    asyncio.run(run())


@pytest.mark.usefixtures("slow")
def test_what_has_arrived_keeps_its_place() -> None:
    async def run() -> None:
        room = Room(100)
        place = Place(room)
        with place.arriving():
            place.take(60)
        place.break_off()  # too late
        await asyncio.sleep(0)
        with pytest.raises(Refusal):
            Place(room).take(60)
        assert not place.gave_way

    asyncio.run(run())


@pytest.mark.usefixtures("slow")
def test_the_one_that_began_first_does_not_give_way_to_itself() -> None:
    async def run() -> None:
        room = Room(100)
        first = await Body.begin(room, 60)
        await Body.begin(room, 40)
        with pytest.raises(Refusal):
            first.place.take(10)

    asyncio.run(run())


def test_who_is_broken_off_by_others_is_not_told_that_it_was_slow() -> None:
    async def run() -> None:
        body = await Body.begin(Room(100), 1)
        body.reading.cancel()
        await asyncio.wait([body.reading], timeout=1)
        assert body.reading.cancelled()

    asyncio.run(run())


def test_a_task_that_was_broken_off_goes_on() -> None:
    async def run() -> str:
        place = Place(Room(100))
        asyncio.get_running_loop().call_soon(place.break_off)
        with pytest.raises(BrokenOff), place.arriving():
            await asyncio.Event().wait()
        async with asyncio.Lock():
            await asyncio.wait_for(asyncio.sleep(0), 30)
        return "went on"

    assert asyncio.run(run()) == "went on"
