"""The translator of a live model starts with the service, and not at the first image."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

from tests.support.tiny import Tiny

WaitUntil = Callable[..., None]
AT_ONCE = {"pixd.service.pipelines.WARM_AFTER_S": 0.0}
MODULE = "pixd.pix2pix.translator"


def translators_of(tiny: Tiny) -> list[int]:
    """Return the process ids of the service's translators."""
    assert tiny.service is not None
    found = []
    for task in Path(f"/proc/{tiny.service.pid}/task").iterdir():
        for pid in map(int, (task / "children").read_text().split()):
            with contextlib.suppress(OSError):  # it ended meanwhile
                if MODULE in Path(f"/proc/{pid}/cmdline").read_text().split("\0"):
                    found.append(pid)
    return found


def test_the_translator_starts_before_there_is_an_image_and_takes_the_first(
    own: Tiny, wait_until: WaitUntil
) -> None:
    own.start(AT_ONCE)
    wait_until(lambda: translators_of(own), 60)
    early = translators_of(own)
    status = own.until(lambda part: part["input"]["queued"] == 0)
    assert status["translate"]["phase"] == ""  # no image waits for it
    own.inputs(range(50, 51))
    own.until(lambda _: "in-050.png" in own.outputs())
    assert translators_of(own) == early
    assert own.stop() == 0


def test_no_translator_starts_early_for_a_paused_pipeline(own: Tiny, wait_until: WaitUntil) -> None:
    assert own.pixd("pause").returncode == 0
    own.start(AT_ONCE)
    wait_until(lambda: own.live()["input"]["last_scan_at"], 60)
    own.pixd("status")  # the loop has gone round since
    assert translators_of(own) == []
