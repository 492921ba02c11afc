"""JSON in one canonical form, and the digest of bytes.

Promises: equal values give equal text, and so equal digests, in every run and version of pixd.
The store records both, so neither may ever change.

Leaves to others: hashing a file while it is copied (`pixd.store.objects`).
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

_CHUNK_BYTES = 1 << 20


def canonical_json(value: Any) -> str:
    """Write `value` as JSON that is the same for equal values: sorted keys, no spaces."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def digest_of(data: bytes) -> str:
    """Return ``sha256:`` and the 64 hex digits of the SHA-256 of `data`."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


def hash_descriptor(fd: int) -> tuple[str, int]:
    """Return (``sha256:...``, size in bytes) of what the open file holds from its start."""
    os.lseek(fd, 0, os.SEEK_SET)
    sha = hashlib.sha256()
    size = 0
    while chunk := os.read(fd, _CHUNK_BYTES):
        sha.update(chunk)
        size += len(chunk)
    return "sha256:" + sha.hexdigest(), size


def hash_file(path: Path) -> str:
    """Return ``sha256:...`` of the bytes of a file."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return hash_descriptor(fd)[0]
    finally:
        os.close(fd)
