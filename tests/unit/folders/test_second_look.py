"""Files that were read too soon after a change are read once more: when, and only then."""

from __future__ import annotations

import tracemalloc

from pixd.folders.second_look import RACY_S, SecondLooks

SETTLE_S = 0.5


def due(looks: SecondLooks, now: float, limit: int = 100) -> list[str]:
    return list(looks.due(now, limit))


def test_a_file_is_due_once_a_scan_found_it_and_it_was_still() -> None:
    looks = SecondLooks(SETTLE_S)
    looks.read("a.png", 10.0)
    looks.found("a.png", 10.0 + RACY_S - 0.1)  # too soon
    assert "a.png" not in looks
    assert looks.next_at() is None
    looks.found("a.png", 20.0)
    looks.found("a.png", 20.3)  # seen again: nothing new
    assert "a.png" in looks
    assert looks.next_at() == 20.0 + SETTLE_S
    assert due(looks, 20.4) == []
    assert due(looks, 20.5) == ["a.png"]
    assert due(looks, 20.6) == ["a.png"]  # until it was read
    looks.forget("a.png")
    assert due(looks, 30.0) == []
    assert looks.next_at() is None


def test_a_file_that_an_earlier_service_read_is_looked_at_when_it_is_found() -> None:
    looks = SecondLooks(SETTLE_S)
    looks.found("a.png", 0.1)
    assert due(looks, 0.6) == ["a.png"]


def test_the_first_found_come_first_and_no_more_than_are_asked_for() -> None:
    looks = SecondLooks(SETTLE_S)
    for number in range(5):
        looks.found(str(number), float(number))
    assert due(looks, 3.5, 2) == ["0", "1"]
    assert due(looks, 3.5, 0) == []
    looks.postpone("0", 3.5)
    assert due(looks, 3.5) == ["1", "2", "3"]
    looks.changed("1")
    assert due(looks, 5.0) == ["2", "3", "4", "0"]


def test_a_file_that_is_set_aside_still_is_not_read_too_soon() -> None:
    looks = SecondLooks(SETTLE_S)
    looks.found("b.png", 9.0)
    looks.read("a.png", 10.0)
    looks.set_aside()
    looks.found("a.png", 10.5)
    assert due(looks, 20.0) == []
    looks.found("a.png", 12.0)
    assert due(looks, 20.0) == ["a.png"]


def test_a_burst_that_is_read_once_more_takes_little_memory() -> None:
    """For each file, without its name: measured at 63 bytes, and a third more passes."""
    names = [f"{number}.png" for number in range(20_000)]
    looks = SecondLooks(SETTLE_S)
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for number, name in enumerate(names):
            looks.read(name, float(number // 500))
        for name in names:
            looks.found(name, 1000.0)
        took = tracemalloc.get_traced_memory()[1] - before
        assert took / len(names) < 85
        for name in names:
            looks.forget(name)
        assert looks.next_at() is None
    finally:
        tracemalloc.stop()
