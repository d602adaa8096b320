"""The room that bodies share."""

from __future__ import annotations

import asyncio

import pytest

from primus_lens_wandb_exporter.processor.ingest import room as rooms
from primus_lens_wandb_exporter.processor.ingest.room import Place, Room
from primus_lens_wandb_exporter.processor.refusal import Refusal


def arriving(room: Room, size: int) -> tuple[Place, asyncio.Future[bytes]]:
    place, arrival = Place(room), asyncio.Future[bytes]()
    place.arrive(arrival)
    place.take(size)
    return place, arrival


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
        _, arrival = arriving(room, 60)
        with pytest.raises(Refusal):
            Place(room).take(60)
        assert not arrival.cancelled()

    asyncio.run(run())


@pytest.mark.usefixtures("slow")
def test_of_the_slow_those_that_began_first_give_way_and_no_more_than_need_be() -> None:
    async def run() -> None:
        room = Room(100)
        places = [arriving(room, 30) for _ in range(3)]
        Place(room).take(60)
        assert [place.gave_way for place, _ in places] == [True, True, False]
        assert [arrival.cancelled() for _, arrival in places] == [True, True, False]
        for place, _ in places:
            place.leave()
        assert room.free == 40

    asyncio.run(run())


@pytest.mark.usefixtures("slow")
def test_what_has_arrived_keeps_its_place() -> None:
    async def run() -> None:
        room = Room(100)
        place, _ = arriving(room, 60)
        place.arrived()
        with pytest.raises(Refusal):
            Place(room).take(60)
        assert not place.gave_way

    asyncio.run(run())


@pytest.mark.usefixtures("slow")
def test_the_one_that_began_first_does_not_give_way_to_itself() -> None:
    async def run() -> None:
        room = Room(100)
        first, _ = arriving(room, 60)
        arriving(room, 40)
        with pytest.raises(Refusal):
            first.take(10)

    asyncio.run(run())
