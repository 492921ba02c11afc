"""Stamps hold whatever a file system says, in numbers that the store can keep."""

from __future__ import annotations

import os
import sqlite3

from hypothesis import given
from hypothesis import strategies as st

from pixd.store.files import RACY_NS, HashedFile
from pixd.store.known_file import KnownFile
from pixd.store.states import FileState
from pixd.system.stamps import LEAST, MOST, stamp_from, wrapped

_NUMBERS = st.one_of(
    st.integers(),
    st.integers(min_value=2**63 - 3_000_000_000, max_value=2**64 + 3_000_000_000),
    st.sampled_from([2**63 - 1, 2**63, 2**64 - 1, -(2**63), 253_402_300_799 * 10**9]),
)


def _stat(numbers: list[int]) -> os.stat_result:
    """Make a result of stat(2) out of size, mtime, ctime, device and inode."""
    size, mtime_ns, ctime_ns, device, inode = numbers
    named = {"st_atime_ns": 0, "st_mtime_ns": mtime_ns, "st_ctime_ns": ctime_ns}
    return os.stat_result((0o100644, inode, device, 1, 0, 0, size, 0, 0, 0), named)


@given(st.lists(_NUMBERS, min_size=5, max_size=5), st.booleans())
def test_the_store_keeps_every_stamp_and_knows_it_again(
    numbers: list[int],
    racy: bool,  # noqa: FBT001 - hypothesis gives it
) -> None:
    stamp = stamp_from(_stat(numbers))
    file = HashedFile("x.png", "sha256:0", stamp, racy)
    db = sqlite3.connect(":memory:")
    columns = db.execute("SELECT ?, ?, ?, ?, ?, ?", file.stamp_columns).fetchone()
    (is_racy,) = db.execute("SELECT ? - ? < ?", (columns[5], columns[2], RACY_NS)).fetchone()
    db.close()
    known = KnownFile.of_row((FileState.RECORDED, "sha256:" + "0" * 64, *columns[:5], is_racy))
    assert known.matches(stamp)
    assert bool(is_racy) == racy


@given(_NUMBERS)
def test_a_number_that_fits_is_kept_as_it_is(number: int) -> None:
    assert LEAST <= wrapped(number) <= MOST
    if LEAST <= number <= MOST:
        assert wrapped(number) == number


@given(st.integers(min_value=0, max_value=2**63 - 1))
def test_large_inode_numbers_stay_different(inode: int) -> None:
    assert wrapped(inode + 2**63) == inode - 2**63
