"""JSON in one canonical form, and the digest of bytes.

Promises: equal values give equal text, and so equal digests, in every run and version of pixd.
The store records both, so neither may ever change.

Leaves to others: hashing a file while it is copied (`pixd.store.objects`).
"""

from __future__ import annotations

import hashlib
import json
from typing import Any


def canonical_json(value: Any) -> str:
    """Write `value` as JSON that is the same for equal values: sorted keys, no spaces."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def digest_of(data: bytes) -> str:
    """Return ``sha256:`` and the 64 hex digits of the SHA-256 of `data`."""
    return "sha256:" + hashlib.sha256(data).hexdigest()
