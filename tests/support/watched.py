"""A watched folder with a real store, stepped at times of the test's choosing."""

from __future__ import annotations

from pathlib import Path

from pixd.folders.intake import Intake
from pixd.store import connection, manifests
from pixd.store.opening import open_store
from pixd.store.queries import history

SETTLE_S = 2.0


class Folder:
    """A watched folder, and steps at times of our choosing."""

    def __init__(self, path: Path, kind: str) -> None:
        self.root = path / "watched"
        self.root.mkdir()
        self.kind = kind
        self.store = open_store(path / "store")
        self.now = 100.0
        self.intake = self.make()

    def make(self) -> Intake:
        return Intake(
            self.store, "p", self.kind, self.root, settle_seconds=SETTLE_S, wake=lambda: None
        )

    def fill(self, count: int) -> None:
        for number in range(count):
            (self.root / f"{number:03d}.png").write_bytes(b"%d" % number)
        self.settle()

    def states(self) -> dict[str, tuple[str, str]]:
        rows = self.store.db.execute("SELECT path, state, reason FROM file")
        return {path: (state, reason) for path, state, reason in rows}

    def close(self) -> None:
        self.intake.stop()
        self.store.close()

    def restart(self) -> None:
        self.intake.stop()
        self.intake = self.make()

    def step(self, seconds: float = 0.0) -> None:
        self.now += seconds
        self.intake.scan_soon()
        self.intake.step(self.now)

    def settle(self) -> None:
        """Step until nothing waits. Our time runs faster than the watch's: its hints may come
        steps late and start a file's wait again, so how many steps it takes is not fixed."""
        self.step()
        for _ in range(20):
            self.step(SETTLE_S + 0.1)
            if self.intake.is_calm:
                return
        raise AssertionError("the folder never came to rest")

    def files(self) -> dict[str, bytes]:
        head = self.store.history.head(self.intake.repo_id)
        if head is None:
            return {}
        entries = manifests.read(self.store.objects.path_of, head.version)
        objects = self.store.objects
        return {name: objects.path_of(e.digest).read_bytes() for name, e in entries.items()}

    def commits(self) -> list[str]:
        reader = connection.open_reader(self.store.folder)
        found = [row["reason"] for row in history.commits(reader, "p", self.kind, 100)]
        reader.close()
        return found[::-1]
