"""How many images, and how many answers, go the way to a machine together."""

from __future__ import annotations

import pytest

from pixd.cluster.following import GROUP_IMAGES, group_for
from pixd.cluster.translating import BATCH, GROUP, UNDER_WAY, batch_for


def test_a_lone_image_goes_at_once_and_so_does_its_answer() -> None:
    assert batch_for(0, waiting=1, hosts=1) == 1
    assert batch_for(0, waiting=1, hosts=3) == 1
    assert group_for(0) == 1


def test_a_few_images_go_together_to_one_machine_and_are_divided_among_several() -> None:
    assert batch_for(0, waiting=5, hosts=1) == 5
    assert batch_for(5, waiting=1, hosts=1) == 1
    assert batch_for(0, waiting=8, hosts=2) == 2


def test_a_machine_that_is_busy_for_long_gets_more_only_in_groups() -> None:
    assert batch_for(UNDER_WAY - 1, waiting=200, hosts=1) == 0
    assert batch_for(UNDER_WAY - GROUP, waiting=200, hosts=2) == GROUP
    assert batch_for(BATCH + 1, waiting=GROUP - 1, hosts=1) == 0


@pytest.mark.parametrize("hosts", [1, 2, 5])
@pytest.mark.parametrize("waiting", [1, 3, 40, 1000])
def test_no_machine_waits_for_others_or_gets_more_than_it_may_hold(
    hosts: int, waiting: int
) -> None:
    for held in range(UNDER_WAY + 1):
        count = batch_for(held, waiting=waiting, hosts=hosts)
        assert held + count <= UNDER_WAY
        assert count >= 1 or held > BATCH


def test_answers_of_a_long_queue_travel_together_and_the_last_ones_alone() -> None:
    assert group_for(UNDER_WAY) == GROUP_IMAGES
    assert group_for(20) == 5
    assert [group_for(left) for left in (7, 3, 1)] == [1, 1, 1]
