"""What goes wrong in one request stays in that request."""

from __future__ import annotations

import asyncio
import os
import stat
import subprocess
import tempfile
import threading
from collections.abc import AsyncIterator, MutableMapping
from pathlib import Path
from typing import Any

import pytest

from pixd.web import access
from pixd.web.drafter import Drafter, clear_left
from pixd.web.pairs import Scratch
from pixd.web.pictures import _Streamed
from pixd.web.replies import RefusalError
from tests.support.config_files import ONE_PIPELINE, read


def test_the_translator_of_drawings_outlives_any_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = read(tmp_path, ONE_PIPELINE)

    def fail(*_: object) -> None:
        raise RuntimeError("nobody foresaw this")

    monkeypatch.setattr(Drafter, "_opened_for", fail)
    drafter = Drafter(tmp_path / "drafts")
    try:
        for _ in range(5):  # more than may wait at once
            answer = drafter.ask(settings, settings.pipelines[0], None, b"x")
            with pytest.raises(RefusalError, match="cannot be made"):
                answer.result(20)
    finally:
        drafter.close()


def test_two_pages_of_one_configuration_leave_each_other_their_drawings(tmp_path: Path) -> None:
    ended = subprocess.Popen(["true"])
    ended.wait()
    for name in (str(os.getppid()), str(ended.pid), "kept"):
        (tmp_path / name / "in").mkdir(parents=True)
    clear_left(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [str(os.getppid())]
    assert Drafter(tmp_path)._folder == tmp_path / str(os.getpid())


def test_pictures_kept_at_once_do_not_disturb_each_other(tmp_path: Path) -> None:
    scratch = Scratch(tmp_path)
    failed: list[OSError] = []

    def keep(first: int) -> None:
        try:
            for number in range(100):
                scratch.keep(f"{first}-{number}".encode())
        except OSError as error:
            failed.append(error)

    threads = [threading.Thread(target=keep, args=[first]) for first in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert len(list((tmp_path / "scratch").iterdir())) == 400


def test_a_client_that_left_before_the_first_byte_leaves_no_open_file(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"x")
    fd = os.open(tmp_path / "x", os.O_RDONLY)

    async def nothing() -> AsyncIterator[bytes]:
        yield b"x"

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.disconnect"}

    async def send(_message: MutableMapping[str, Any]) -> None:
        await asyncio.sleep(60)

    answer = _Streamed(fd, nothing(), 200, {})
    asyncio.run(answer({"type": "http", "asgi": {"spec_version": "2.3"}}, receive, send))
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(fd)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may write as somebody else")
def test_new_tokens_that_root_makes_can_be_read_by_the_page() -> None:
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        os.chown(folder, 65534, 65534)
        access.write_new(folder)
        about = (folder / access.TOKENS).stat()
        assert (about.st_uid, stat.S_IMODE(about.st_mode)) == (65534, 0o600)
    assert os.geteuid() == 0
