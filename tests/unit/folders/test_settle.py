"""The settle rule: pure, with the time passed in."""

from __future__ import annotations

import os
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixd.folders.settle import EARLY_S, MOST_OUTDATED, Ready, Settling
from pixd.images.formats import ends_as_it_should, looks_whole

SETTLE_S = 2.0


def names(ready: list[Ready]) -> list[str]:
    return [one.name for one in ready]


def test_a_still_file_settles_after_the_settle_time() -> None:
    settling = Settling(SETTLE_S)
    settling.observe("a", 1, 10.0)
    assert settling.next_at() == 12.0
    assert settling.settled(11.99) == []
    assert settling.settled(12.0) == [Ready("a", 1, early=False)]
    assert len(settling) == 0
    assert settling.next_at() is None


def test_a_file_still_growing_is_not_taken() -> None:
    settling = Settling(SETTLE_S)
    for tick in range(10_000):  # nearly three hours: it is never given up, nor taken early
        settling.observe("a", tick, float(tick))
        assert settling.settled(float(tick)) == []
    assert names(settling.settled(9999 + SETTLE_S)) == ["a"]


def test_seeing_the_same_stamp_again_changes_nothing() -> None:
    settling = Settling(SETTLE_S)
    for tick in range(20):
        settling.observe("a", "same", tick / 10)
    assert names(settling.settled(SETTLE_S)) == ["a"]


def test_a_closed_file_goes_early() -> None:
    settling = Settling(SETTLE_S)
    settling.observe("a", 1, 0.0)
    settling.closed("a", 1.0)
    assert settling.settled(1.05) == []
    assert settling.settled(1.1) == [Ready("a", 1, early=True)]


def test_a_file_renamed_into_place_goes_at_once() -> None:
    settling = Settling(SETTLE_S)
    settling.observe("a", 1, 1.0)
    settling.closed("a", 1.0, is_renamed=True)
    assert settling.settled(1.0) == [Ready("a", 1, early=True)]
    settling.postpone("a", 1.0)  # it is not whole
    assert settling.settled(2.9) == []
    assert settling.settled(3.0) == [Ready("a", 1, early=False)]


def test_a_closed_file_looked_at_late_is_no_longer_early() -> None:
    settling = Settling(SETTLE_S)
    settling.observe("a", 1, 0.0)
    settling.closed("a", 0.0)
    assert settling.settled(5.0) == [Ready("a", 1, early=False)]


def test_a_file_written_to_after_its_close_waits_for_the_full_time() -> None:
    settling = Settling(SETTLE_S)
    settling.observe("a", 1, 0.0)
    settling.closed("a", 0.0)
    settling.observe("a", 2, 0.1)
    assert settling.settled(0.5) == []
    assert settling.settled(2.1) == [Ready("a", 2, early=False)]


def test_a_postponed_file_waits_for_the_full_time_since_its_last_change() -> None:
    settling = Settling(SETTLE_S)
    settling.observe("a", 1, 0.0)
    settling.closed("a", 1.0)
    assert settling.settled(1.2)[0].early
    settling.postpone("a", 1.2)
    assert len(settling) == 1
    assert settling.settled(2.9) == []
    assert settling.settled(3.0) == [Ready("a", 1, early=False)]


def test_a_file_given_back_is_handed_out_again_as_it_was() -> None:
    settling = Settling(SETTLE_S)
    settling.observe("a", 1, 0.0)
    settling.closed("a", 0.0)
    (ready,) = settling.settled(0.3)
    settling.ready_again(ready)
    assert settling.settled(0.3) == [ready]


def test_a_limit_hands_out_the_longest_due_first() -> None:
    settling = Settling(SETTLE_S)
    for at, name in enumerate("abcd"):
        settling.observe(name, 1, float(at))
    assert names(settling.settled(100.0, limit=3)) == ["a", "b", "c"]
    assert names(settling.settled(100.0, limit=3)) == ["d"]


def test_a_forgotten_file_never_settles() -> None:
    settling = Settling(SETTLE_S)
    settling.observe("a", 1, 0.0)
    settling.forget("a")
    settling.closed("a", 0.0)
    settling.postpone("a", 0.0)
    assert settling.next_at() is None
    assert settling.settled(100.0) == []


def test_without_a_settle_time_a_file_is_due_at_once() -> None:
    settling = Settling(0.0)
    settling.observe("a", 1, 5.0)
    assert settling.settled(5.0) == [Ready("a", 1, early=False)]


def test_a_tick_does_not_cost_what_is_tracked() -> None:
    settling = Settling(SETTLE_S)
    for number in range(100_000):
        settling.observe(str(number), number, 1000.0)
    # 20,000 ticks over 100,000 names would be 2,000,000,000 looks: this returns at all only
    # because a tick looks at the top of the heap.
    for tick in range(20_000):
        assert settling.settled(tick / 20) == []
    assert len(settling.settled(1002.0)) == 100_000


def test_times_that_no_longer_count_do_not_pile_up() -> None:
    settling = Settling(SETTLE_S)
    for number in range(8000):
        settling.observe(str(number), number, 1000.0)
    for at in (1000.5, 1001.0, 1001.5):  # a program that opens its files again and again
        for number in range(8000):
            settling.closed(str(number), at)
    assert len(settling._heap) <= MOST_OUTDATED + 10_000
    assert settling.settled(1001.5) == []
    assert len(settling.settled(1001.6)) == 8000
    assert settling.next_at() is None


def test_a_burst_that_settles_takes_little_memory() -> None:
    """For each file, without its name and stamp: measured at 192 bytes, and a third more passes."""
    names = [f"{number}.png" for number in range(20_000)]
    settling = Settling(SETTLE_S)
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for number, name in enumerate(names):
            settling.observe(name, "a stamp", float(1000 + number // 1000))
        took = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert took / len(names) < 250


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["observe", "same", "closed", "forget", "tick", "tick and postpone"]),
        st.sampled_from("abc"),
        st.floats(0, 1.5),
    ),
    max_size=60,
)


@given(steps=STEPS)
def test_nothing_settles_before_its_time_and_nothing_is_lost(
    steps: list[tuple[str, str, float]],
) -> None:
    settling = Settling(SETTLE_S)
    changed_at: dict[str, float] = {}
    closed: set[str] = set()
    stamps: dict[str, int] = {}
    now = 100.0
    for number, (what, name, passed) in enumerate(steps):
        now += passed
        if what == "observe":
            settling.observe(name, number, now)
            stamps[name] = number
            changed_at[name] = now
            closed.discard(name)
        elif what == "same" and name in stamps:
            settling.observe(name, stamps[name], now)
        elif what == "closed":
            settling.closed(name, now)
            if name in stamps:
                closed.add(name)
                changed_at[name] = now
        elif what == "forget":
            settling.forget(name)
            stamps.pop(name, None)
        elif what.startswith("tick"):
            for ready in settling.settled(now):
                still_s = now - changed_at[ready.name]
                assert ready.stamp == stamps[ready.name]
                assert still_s >= (EARLY_S if ready.early else SETTLE_S) - 1e-9
                assert not ready.early or ready.name in closed
                if what == "tick and postpone" and ready.early:
                    settling.postpone(ready.name, now)
                    closed.discard(ready.name)
                else:
                    del stamps[ready.name]
        assert len(settling) == len(stamps)
        due = settling.next_at()
        assert (due is None) == (not stamps)
        assert due is None or due <= max(now, *changed_at.values()) + SETTLE_S
    assert sorted(names(settling.settled(now + 2 * SETTLE_S))) == sorted(stamps)


# -- whether an image is whole ---------------------------------------------------------------

PNG = b"\x89PNG\r\n\x1a\n" + b"\0\0\0\rIHDR" + b"x" * 200 + b"\0\0\0\0IEND\xaeB`\x82"
WHOLE = {
    "png": PNG,
    "jpeg": b"\xff\xd8\xff\xe0" + b"x" * 100 + b"\xff\xd9",
    "gif": b"GIF89a" + b"x" * 100 + b"\0;",
    "webp": b"RIFF" + (104).to_bytes(4, "little") + b"WEBP" + b"x" * 100,
    "bmp": b"BM" + (114).to_bytes(4, "little") + b"x" * 108,
}


@pytest.mark.parametrize("kind", WHOLE)
def test_a_whole_image_looks_whole_and_no_beginning_of_it_does(kind: str, tmp_path: Path) -> None:
    whole = WHOLE[kind]
    path = tmp_path / "image"
    for size in range(len(whole) + 1):
        path.write_bytes(whole[:size])
        fd = os.open(path, os.O_RDONLY)
        try:
            assert looks_whole(fd, size) == (size == len(whole))
            assert os.lseek(fd, 0, os.SEEK_CUR) == 0
        finally:
            os.close(fd)


def test_a_preallocated_image_does_not_look_whole() -> None:
    assert not ends_as_it_should(WHOLE["jpeg"][:32], bytes(64), 4096)


@given(st.binary(max_size=64), st.binary(max_size=64), st.integers(0, 1 << 40))
def test_no_bytes_are_too_odd_to_look_at(head: bytes, tail: bytes, size: int) -> None:
    assert ends_as_it_should(head, tail, size) in {True, False}
