"""The real pixd with fake children, so that a whole run takes a second and not ten.

``python -m tests.faults.stubbed WORDS`` is ``pixd WORDS``, but the trainer and the translator are
`tests.faults.stub_trainer` and `tests.faults.stub_translator`: they speak the same protocol, and
what they make follows from their input alone. Everything else is the real thing, the service, the
store, the inspector, the folders, the signals. The real children die in test_01 as well.
"""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image

from pixd.system.crash_points import CRASH_VARIABLE
from tests.support.tiny import Tiny, pair, picture

MODULE = "tests.faults.stubbed"
ROOT = Path(__file__).resolve().parents[2]
STUBS = {
    "pixd.pix2pix.train": "tests.faults.stub_trainer",
    "pixd.pix2pix.translator": "tests.faults.stub_translator",
}


class Stubbed(Tiny):
    """A tiny pipeline whose children are the stubs."""

    settle_s, quiet_s = 0.1, 0.0  # the stubs are quick, and so is the rest
    free_bytes = 1_000_000

    def configure(self, **changed: Any) -> None:
        super().configure(**changed)
        with (self.folder / "config.yaml").open("a") as file:
            file.write(f"    keep:\n      free_bytes: {self.free_bytes}\n")

    def pixd(self, *words: str, timeout_s: float = 120) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", MODULE, *words],
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )

    def run(self, *words: str, crash_at: str = "", timeout_s: float = 120) -> int:
        """Run one command to its end, and return its exit code: -9 where it crashed."""
        environment = {**os.environ, "PYTHONPATH": str(ROOT), CRASH_VARIABLE: crash_at}
        command = [sys.executable, "-m", MODULE, *words]
        with (self.folder / "service.log").open("ab") as log:
            done = subprocess.run(
                command,
                cwd=self.folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
                timeout=timeout_s,
                check=False,
            )
        return done.returncode

    def spawn(self, *words: str, **environment: str) -> subprocess.Popen[bytes]:
        """Start the service and return at once."""
        with (self.folder / "service.log").open("ab") as log:
            self.service = subprocess.Popen(
                [sys.executable, "-m", MODULE, "run", *words],
                cwd=self.folder,
                env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
            )
        return self.service

    def log(self) -> str:
        return (self.folder / "service.log").read_text()[-4000:]

    def drop_pair(self, number: int) -> None:
        """Rename a new pair into the training folder, as a careful program would."""
        self._drop("training", f"{number:04d}.png", pair(number))

    def drop_input(self, number: int) -> None:
        self._drop("input", f"in-{number:04d}.png", picture(number))

    def _drop(self, kind: str, name: str, image: Image.Image) -> None:
        made = self.folder / name
        image.save(made)
        made.rename(self.folder / kind / name)

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        db = sqlite3.connect(f"file:{self.folder}/store/lineage.db?mode=ro", uri=True)
        try:
            return db.execute(sql).fetchall()
        finally:
            db.close()

    # -- what must hold -----------------------------------------------------------------

    def truncated(self) -> list[str]:
        """Return the outputs that are no whole PNG; temporary files are nobody's output."""
        broken = []
        for name, data in self.outputs().items():
            if name.startswith(".pixd-"):
                continue
            try:
                Image.open(BytesIO(data)).load()
            except OSError:
                broken.append(name)
        return broken

    def state(self) -> dict[str, Any]:
        """Return what must be the same whatever happened on the way: contents, not events."""
        heads = (
            'SELECT kind, version FROM repo JOIN "commit" ON repo_id = repo.id WHERE seq ='
            ' (SELECT max(seq) FROM "commit" AS c WHERE c.repo_id = repo.id) ORDER BY kind'
        )
        return {
            "heads": self.ask(heads),
            "files": self.ask("SELECT path, state, reason, digest FROM file ORDER BY path, state"),
            "live": self.ask("SELECT digest FROM ref JOIN model ON model.id = model_id"),
            "standing": self.ask(
                "SELECT path, digest, input_digest, model_digest, state FROM output WHERE state IN"
                " ('current', 'edited', 'missing', 'orphaned', 'publishing') ORDER BY path"
            ),
            "outputs": self.outputs(),
        }

    def blemishes(self) -> list[str]:
        """Return everything that a crash must not leave, once pixd has run to its end."""
        found = [f"{name} is cut off" for name in self.truncated()]
        twice = "SELECT path FROM output WHERE state = 'current' GROUP BY path HAVING count(*) > 1"
        found += [f"{row[0]} is published twice" for row in self.ask(twice)]
        again = "SELECT key FROM run WHERE state = 'succeeded' GROUP BY key HAVING count(*) > 1"
        found += [f"{row[0]} was done twice" for row in self.ask(again)]
        active = "SELECT id FROM run WHERE state IN ('queued', 'running', 'publishing')"
        found += [f"run {row[0]} is under way still" for row in self.ask(active)]
        store = self.folder / "store"
        strays = [*(store / "objects" / "incoming").iterdir()]
        strays += [*(self.folder / "output").rglob(".pixd-*"), *(store / "models").glob(".*")]
        found += [f"{path} was left behind" for path in strays]
        verified = self.pixd("verify")
        if verified.returncode != 0:
            found.append(f"pixd verify: {verified.stdout}{verified.stderr}")
        return found


def undisturbed(like: Stubbed, folder: Path) -> dict[str, Any]:
    """Return the state of a pipeline that got the same files at once, and ran once in peace."""
    control = type(like)(folder)
    for kind in ("training", "input"):
        for path in (like.folder / kind).iterdir():
            (control.folder / kind / path.name).write_bytes(path.read_bytes())
    assert control.run("run", "--once") == 0, control.log()
    assert not control.blemishes()
    return control.state()


def main() -> int:
    """Run pixd with the children replaced."""
    from pixd.cli import main as cli
    from pixd.system.children.spawner import LocalSpawner
    from pixd.system.children.worker import Worker

    start = Worker.start.__func__  # type: ignore[attr-defined]

    def start_stub(cls: type[Worker], module: str, *rest: Any, **options: Any) -> Worker:
        worker: Worker = start(cls, STUBS.get(module, module), *rest, **options)
        return worker

    if at_once := os.environ.get("PIXD_STUB_TRAININGS"):
        LocalSpawner.trainings_at_once = lambda _: int(at_once)  # type: ignore[assignment, method-assign]
    Worker.start = classmethod(start_stub)  # type: ignore[method-assign, assignment]
    return cli.main()


if __name__ == "__main__":
    sys.exit(main())
