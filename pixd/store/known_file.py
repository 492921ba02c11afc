"""What the store knows of one file of a watched folder.

The service holds this for every file of its folders, so it is packed. 100,000 files need 17 MB in a
dict, without their names; as tuples of numbers and texts they need 43 MB.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Self

from pixd.store.states import FileState
from pixd.system.errors import StoreError
from pixd.system.stamps import BEFORE_DEVICE, STAMP_BYTES, FileStamp, pack_stamp

if TYPE_CHECKING:
    from collections.abc import Sequence

_STATES: Final = tuple(FileState)
_MARKS: Final = {state: number for number, state in enumerate(_STATES)}
_IS_RACY: Final = 0x80
MARK: Final = STAMP_BYTES
"""Where the byte is that says the state and whether the file is racy."""
AT_REST: Final = frozenset(_MARKS.values()) - {_MARKS[FileState.SETTLING]}
"""What that byte is where nothing is to be done, as long as the stamp stays the same."""
_KIND: Final = "sha256:"
_DIGEST_BYTES: Final = 32
NO_STAMP: Final = FileStamp(0, 0, 0, 0, 0)


class KnownFile(bytes):
    """The state of a file, and its stamp and content when it was hashed.

    First comes the stamp, so that ``known.startswith(stamp)`` compares it as fast as can be. Then
    comes the byte at `MARK`, and the 32 bytes of the digest where there is a content.
    """

    __slots__ = ()

    def __new__(
        cls,
        state: FileState,
        digest: str | None = None,
        stamp: FileStamp = NO_STAMP,
        *,
        is_racy: bool = False,
    ) -> Self:
        """Pack what is known.

        Args:
            state: the file's state.
            digest: of its recorded content, or None.
            stamp: the one that it was read under.
            is_racy: it had been unchanged for so short a time that it must be read once more.

        Raises:
            StoreError: `digest` is none.
        """
        return bytes.__new__(cls, _packed(stamp, state, digest, is_racy=is_racy))

    @classmethod
    def of_row(cls, row: Sequence[Any]) -> Self:
        """Return (state, digest, the five numbers of a stamp, is it racy) as a file.

        Raises:
            StoreError: it is in no state that this pixd knows, or its digest is none.
        """
        stamp, state = pack_stamp(*row[2:7]), FileState.of(row[0])
        return bytes.__new__(cls, _packed(stamp, state, row[1], is_racy=row[7]))

    @property
    def state(self) -> FileState:
        """The state."""
        return _STATES[self[MARK] & ~_IS_RACY]

    @property
    def is_racy(self) -> bool:
        """Whether it must be read once more."""
        return bool(self[MARK] & _IS_RACY)

    @property
    def has_content(self) -> bool:
        """Whether a content is recorded."""
        return len(self) > MARK + 1

    @property
    def digest(self) -> str | None:
        """The digest of the recorded content, or None."""
        return _KIND + self[MARK + 1 :].hex() if self.has_content else None

    @property
    def stamp(self) -> FileStamp:
        """The stamp that it was read under."""
        return bytes.__new__(FileStamp, self[:MARK])

    def matches(self, stamp: FileStamp) -> bool:
        """Return whether the file had this stamp when it was hashed, but for the device's number."""
        return self.startswith(stamp[:BEFORE_DEVICE])

    def settling_again(self) -> KnownFile:
        """Return it as a file whose content may be another now."""
        return KnownFile(FileState.SETTLING, self.digest, self.stamp, is_racy=self.is_racy)


def _packed(stamp: bytes, state: FileState, digest: str | None, *, is_racy: bool) -> bytes:
    mark = _MARKS[state] | (_IS_RACY if is_racy else 0)
    return b"%b%c%b" % (stamp, mark, b"" if digest is None else _digest_bytes(digest))


def _digest_bytes(digest: str) -> bytes:
    try:
        found = bytes.fromhex(digest[len(_KIND) :])
    except ValueError:
        found = b""
    if len(found) != _DIGEST_BYTES or digest != _KIND + found.hex():
        raise StoreError(
            f"the database holds the digest {digest!r}, which is none",
            advice="`pixd verify` names what is damaged",
        )
    return found
