"""What `pixd restore` removes is meant: the folder does not stay on hold for it."""

from __future__ import annotations

from tests.support.tiny import Tiny


def test_a_restore_that_removes_most_files_is_recorded(tiny: Tiny) -> None:
    tiny.start()
    tiny.inputs(range(5))
    tiny.until(lambda p: p["input"]["queued"] == 5, 30)
    first = tiny.part()["input"]["commit"]
    tiny.inputs(range(5, 40))
    tiny.until(lambda p: p["input"]["queued"] == 40, 30)
    done = tiny.pixd("restore", f"input@{first}", "--yes")
    assert done.returncode == 0, done.stderr
    part = tiny.until(lambda p: p["input"]["files"] == 5, 30)
    assert part["input"]["held"] == ""
    # It counts once: the next loss is looked at again.
    tiny.inputs(range(5, 40))
    tiny.until(lambda p: p["input"]["queued"] == 40, 30)
    for path in (tiny.folder / "input").iterdir():
        path.unlink()
    tiny.until(lambda p: p["input"]["held"], 30)
