"""What a child that decodes answers when a file cannot be decoded: the errors, sorted once."""

from __future__ import annotations

from typing import Any, Final

from pixd.images.picture import TOO_MUCH_MEMORY
from pixd.system import disk
from pixd.system.errors import PixdError

ERRORS: Final = (PixdError, MemoryError, OSError)
"""What decoding one file raises that says nothing of the next one."""


def event_of(error: BaseException) -> dict[str, Any]:
    """Return the event for one of `ERRORS`: "rejected" if the file is to blame, else "failed"."""
    if isinstance(error, PixdError):
        return {"event": "rejected", "reason": error.message}
    if isinstance(error, MemoryError):
        return {"event": "rejected", "reason": TOO_MUCH_MEMORY}
    assert isinstance(error, OSError)  # the last of ERRORS
    kind = "disk" if disk.refusal(error) else "internal"
    return {"event": "failed", "kind": kind, "reason": f"it cannot be read: {error.strerror}"}
