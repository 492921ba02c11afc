"""What is missing, when it may be recorded, and by how much a folder shrank meanwhile."""

from __future__ import annotations

from pixd.folders.missing import LOSS_PATIENCE_S, Losses

SETTLE_S = 2.0


def test_what_goes_without_a_rest_adds_up_over_the_removals_that_are_recorded() -> None:
    losses = Losses(SETTLE_S)
    for second in range(40):
        losses.miss(f"{second}", second)
        losses.take(second)
    assert losses.shrunk_by(40) == 40
    assert len(losses) < 40
    assert losses.take(39 + SETTLE_S)
    assert losses.has_ended
    assert losses.shrunk_by(39 + SETTLE_S) == 0


def test_what_comes_counts_against_what_goes_and_what_came_before_does_not() -> None:
    losses = Losses(SETTLE_S)
    losses.have_come(5)
    for number in range(4):
        losses.miss(f"{number}", 0)
    losses.have_come(1)
    losses.found("0")
    assert losses.shrunk_by(0) == 2
    losses.miss("refused", 0, has_content=False)
    assert losses.shrunk_by(0) == 2


def test_a_rest_after_removals_that_patience_recorded_ends_their_spell() -> None:
    losses = Losses(SETTLE_S)
    for second in range(int(LOSS_PATIENCE_S) + 1):
        losses.miss(f"{second}", second)
    assert losses.take(LOSS_PATIENCE_S)
    assert not losses.has_ended
    assert losses.shrunk_by(LOSS_PATIENCE_S + 1) == LOSS_PATIENCE_S + 1
    assert losses.shrunk_by(1000) == 0
    losses.miss("the next day", 86_400)
    assert losses.shrunk_by(86_400) == 1
