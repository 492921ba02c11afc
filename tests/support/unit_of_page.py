"""The page's unit of systemd as it lies on a machine, below a root of its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pixd.answers import page_unit
from pixd.cli import units
from pixd.config import Settings


@contextmanager
def unit_of_the_page(
    settings: Settings, *, is_enabled: bool = True, has_socket: bool = False
) -> Iterator[Path]:
    """Put what `pixd service install` writes below a root of its own, and systemd's folder in /run.

    Yields:
        What systemd makes while the unit runs.
    """
    root = settings.path.parent / "root"
    runs = root / "run/systemd/units/invocation:pixd-web.service"
    runs.parent.mkdir(parents=True)
    at = units.Installation(("/opt/pixd/bin/pixd",), (Path("/opt/pixd"),))
    for one in units.system_files(units.PAGE, settings, at, has_gpu=False):
        path = root / one.path.relative_to("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(one.text)
    folder = root / "etc/systemd/system"
    for is_there, target, unit in (
        (is_enabled, "multi-user.target", "pixd-web.service"),
        (has_socket, "sockets.target", "pixd-web.socket"),
    ):
        if is_there:
            (folder / f"{target}.wants").mkdir()
            (folder / f"{target}.wants" / unit).symlink_to(f"../{unit}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(page_unit, "ROOT", root)
        yield runs
