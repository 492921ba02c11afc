"""A known file is packed: it says what was put into it, and takes little memory."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixd.folders.known import KnownFiles
from pixd.store.known_file import AT_REST, MARK, KnownFile
from pixd.store.states import FileState
from pixd.system.errors import StoreError
from pixd.system.stamps import LEAST, MOST, FileStamp

NUMBERS = st.integers(min_value=LEAST, max_value=MOST)
STAMPS = st.tuples(*[NUMBERS] * 5).map(lambda numbers: FileStamp(*numbers))
DIGESTS = st.binary(min_size=32, max_size=32).map(lambda data: "sha256:" + data.hex())
MOST_BYTES = 300
"""A known file with its name, measured at 230: a third more, so that a change of Python passes."""


@given(st.sampled_from(FileState), st.none() | DIGESTS, STAMPS, st.booleans())
def test_it_says_what_was_put_into_it(
    state: FileState,
    digest: str | None,
    stamp: FileStamp,
    racy: bool,  # noqa: FBT001 - hypothesis gives it
) -> None:
    file = KnownFile(state, digest, stamp, is_racy=racy)
    assert (file.state, file.digest, file.stamp, file.is_racy) == (state, digest, stamp, racy)
    assert file.has_content == (digest is not None)
    assert file.startswith(stamp)
    assert (file[MARK] in AT_REST) == (state is not FileState.SETTLING and not racy)
    assert file == KnownFile.of_row((state, digest, *stamp.numbers, racy))
    again = file.settling_again()
    assert again == KnownFile(FileState.SETTLING, digest, stamp, is_racy=racy)


@given(STAMPS, STAMPS)
def test_it_matches_a_stamp_whatever_number_the_disk_has(one: FileStamp, other: FileStamp) -> None:
    moved = FileStamp(*one.numbers[:4], other.device)
    known = KnownFile(FileState.RECORDED, None, one)
    assert known.matches(moved)
    assert known.matches(other) == (one.numbers[:4] == other.numbers[:4])


@pytest.mark.parametrize("digest", ["", "sha256:1f", "md5:" + "1f" * 32, "sha256:" + "xy" * 32])
def test_a_row_whose_digest_is_none_is_refused(digest: str) -> None:
    with pytest.raises(StoreError, match="is none") as no:
        KnownFile.of_row(("queued", digest, 0, 0, 0, 0, 0, 0))
    assert "pixd verify" in no.value.advice


def test_a_known_file_takes_little_memory() -> None:
    files = 20_000
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        known = KnownFiles()
        for number in range(files):
            row = ("queued", f"sha256:{number:064x}", 400, *[1_790_000_000 * 10**9 + number] * 3, 7)
            known[f"{number:06d}.png"] = KnownFile.of_row((*row, 1))
        took = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert took / files < MOST_BYTES
