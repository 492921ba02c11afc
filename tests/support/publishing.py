"""Inputs whose translations are made, and where they are published, without a translator."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pixd.store.file_rows import DueInput
from pixd.store.opening import open_store
from pixd.store.states import FileState, RunState
from pixd.translation.intents import Made
from pixd.translation.lost_outputs import LostOutputs
from pixd.translation.publishing import Publisher
from tests.support.commits import record

NAMES = [f"{number:03d}.png" for number in range(10)]
BAD = NAMES[5]
MODEL = "sha256:" + "a" * 64


class Publishing:
    """A store with inputs and their translations, and an output folder."""

    def __init__(self, path: Path, names: Sequence[str] = NAMES) -> None:
        self.folder = path / "output"
        self.folder.mkdir()
        self.store = store = open_store(path / "store")
        self.repo = store.history.repo_id("p", "input")
        record(store, self.repo, {name: name.encode() for name in names}, [])
        store.working.set_state(self.repo, list(names), FileState.QUEUED)
        images = {name: store.objects.add(b"translated " + name.encode()) for name in names}
        store.objects.flush()
        self.recipe = store.runs.add_recipe("translate", {})
        self.made: dict[str, Made] = {}
        with store.transaction():
            store.history.add_objects(list(images.values()), "image/png")
            for name, image in images.items():
                run = store.runs.queue(
                    "p", "translate", f"key of {name}", change_id="c1", recipe=self.recipe,
                    inputs=[], reason="", state=RunState.PUBLISHING,
                )  # fmt: skip
                found = store.working.find(self.repo, name)
                assert found is not None
                assert found[1] is not None
                inp = DueInput(name, found[1], 0, "c1")
                self.made[name] = Made(run, image.digest, (inp,))
        self.publisher = Publisher(store, "p", self.repo, self.folder)
        self.lost = LostOutputs(store, "p", self.repo, self.folder, self.publisher)

    def publish(self, names: list[str]) -> str:
        made = [self.made[name] for name in names]
        return self.publisher.publish(made, model_digest=MODEL, recipes=[self.recipe])

    def states(self) -> dict[str, tuple[str, str]]:
        rows = self.store.db.execute("SELECT path, state, reason FROM file")
        return {path: (state, reason) for path, state, reason in rows}

    def outputs(self) -> dict[str, str]:
        return dict(self.store.db.execute("SELECT path, state FROM output"))
