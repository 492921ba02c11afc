"""The waits between attempts: doubled, bounded, and apart."""

from __future__ import annotations

import pytest

from pixd.system import backoff


def test_each_wait_is_twice_the_one_before_up_to_the_longest() -> None:
    waits = [backoff.wait_s(failures) for failures in range(1, 15)]
    assert waits[:4] == [5.0, 10.0, 20.0, 40.0]
    assert waits[-1] == backoff.LONGEST_RETRY_S
    assert backoff.wait_s(3, first_s=1.0, longest_s=300.0) == 4.0


@pytest.mark.parametrize("failures", [1024, 1025, 100_000])
def test_what_fails_for_weeks_is_still_waited_for(failures: int) -> None:
    assert backoff.wait_s(failures) == backoff.LONGEST_RETRY_S


def test_waits_are_spread_by_a_fifth_at_most() -> None:
    waits = [backoff.spread_wait_s(2) for _ in range(1000)]
    assert 8.0 <= min(waits) < 9.0
    assert 11.0 < max(waits) <= 12.0
