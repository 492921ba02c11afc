"""What a child said last on its standard error, without what TensorFlow says at each start.

Without a GPU, TensorFlow writes of a CUDA error whenever it is imported. After a child was killed,
that would be read as the cause. The log itself keeps every line.
"""

from __future__ import annotations

import re

LINES = 3
CHARACTERS = 500

# Of absl, with and without a year: "I0000 00:00:1796118469.508661   21425 cudart_stub.cc:31] ...".
_LOG_LINE = re.compile(
    r"(?:\d{4}-\d\d-\d\d [\d:.]+: )?([IWEF])(?:\d{4} \d\d:\d\d:[\d.]+ +\d+)? \S*?(\w+\.cc):\d+\] (.*)"
)
_FIRST_LINE = "WARNING: All log messages before absl::InitializeLog()"
_AT_EACH_START = (
    ("cudart_stub.cc", ""),
    ("cuda_platform.cc", "failed call to cuInit"),
    ("cpu_feature_guard.cc", ""),
    ("gpu_device.cc", "Cannot dlopen some GPU libraries"),
    ("", "Unable to register cu"),
)
"""Where a line comes from, or "" for anywhere, and how it begins."""


def last_words(text: str) -> str:
    """Return the last lines of a log in one line; "" where it has none that tell anything."""
    printable = ("".join(c if c.isprintable() else " " for c in t) for t in text.splitlines())
    lines = [line.strip() for line in printable if line.strip()]
    told = [line for line in lines if not _is_of_a_start(line)]
    return " / ".join(told[-LINES:])[-CHARACTERS:]


def _is_of_a_start(line: str) -> bool:
    if line.startswith(_FIRST_LINE):
        return True
    found = _LOG_LINE.fullmatch(line)
    if found is None:
        return False
    level, source, words = found.groups()
    return level == "I" or any(
        source.endswith(place) and words.startswith(begin) for place, begin in _AT_EACH_START
    )
