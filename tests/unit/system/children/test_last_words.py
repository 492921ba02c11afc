"""What TensorFlow says at each start is not told as a child's last words."""

from __future__ import annotations

import pytest

from pixd.system.children.last_words import last_words

START = """\
WARNING: All log messages before absl::InitializeLog() is called are written to STDERR
I0000 00:00:1796118469.508661   21425 cudart_stub.cc:31] Could not find cuda drivers on your machine, GPU will not be used.
E0000 00:00:1796118481.296168   21425 cuda_platform.cc:52] failed call to cuInit: INTERNAL: CUDA error: Failed call to cuInit: UNKNOWN ERROR (303)
"""
OLDER = """\
2026-12-01 09:00:00.123456: I tensorflow/core/platform/cpu_feature_guard.cc:210] This TensorFlow binary is optimized
2026-12-01 09:00:00.223456: E external/local_xla/xla/stream_executor/cuda/cuda_dnn.cc:9342] Unable to register cuDNN factory
"""


@pytest.mark.parametrize("noise", [START, OLDER, START + START, ""])
def test_a_start_alone_says_nothing(noise: str) -> None:
    assert last_words(noise) == ""


def test_what_came_before_and_after_a_start_is_told() -> None:
    assert last_words(f"one\n{START}two\n{OLDER}three\n\n") == "one / two / three"


@pytest.mark.parametrize(
    "line",
    [
        "W0000 00:00:1796118469.508661   21425 bfc_allocator.cc:501] Allocator ran out of memory",
        "E0000 00:00:1796118469.508661   21425 cuda_executor.cc:12] CUDA_ERROR_ILLEGAL_ADDRESS",
        "F0000 00:00:1796118469.508661   21425 cuda_platform.cc:52] check failed",
        "MemoryError: Unable to register",
    ],
)
def test_what_may_be_the_cause_is_told(line: str) -> None:
    assert last_words(START + line) == line


def test_only_the_last_lines_are_told() -> None:
    assert last_words("\n".join("abcde")) == "c / d / e"
