"""How many cores there are to use, under affinity and quotas."""

from __future__ import annotations

import pytest

from pixd.system import machine


@pytest.mark.parametrize(
    ("affinity", "limits", "expected"),
    [
        (8, [], 8),
        (8, ["max 100000\n"], 8),
        (8, ["150000 100000\n"], 2),  # one core and a half: rounded up
        (8, ["50000 100000\n"], 1),
        (2, ["800000 100000\n"], 2),
        (8, ["max 100000\n", "300000 100000\n", "600000 100000\n", ""], 3),
        (8, ["nonsense", "1 0"], 8),
        (8, ["1000 1000000"], 1),
    ],
)
def test_cores_are_what_affinity_and_every_quota_above_leave(
    affinity: int, limits: list[str], expected: int
) -> None:
    assert machine.within(affinity, limits) == expected


def test_a_quota_may_stand_on_any_cgroup_above() -> None:
    text = "12:cpu:/x\n0::/system.slice/pixd.service\n"
    assert machine.cgroups_above(text) == ["system.slice/pixd.service", "system.slice", "."]
    assert machine.cgroups_above("0::/\n") == ["."]
    assert machine.cgroups_above("12:cpu:/x\n") == []
