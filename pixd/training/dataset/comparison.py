"""One comparison of a large folder's pairs, while the inspector has it."""

from __future__ import annotations

import shutil
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pixd.system.errors import ADVICE_DISK, DiskError
from pixd.training.dataset import comparing
from pixd.training.dataset.looking import Pace, Progress

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pixd.system.children.warm_worker import Answer, WarmWorker
    from pixd.training.dataset.assessment import Assessment

WRITING_S: Final = 0.1
"""How long one step may write measures, so that the loop never waits for all of them."""


class Comparison:
    """A question that is written into a file a little at a time, then asked.

    Attributes:
        token: of the request.
        is_writing: whether the next step has something to write.
        trouble: why there will be no answer, or "".
    """

    def __init__(
        self,
        inspector: WarmWorker,
        scratch: Path,
        token: tuple[str, str],
        lines: Iterator[str],
        pairs: int,
    ) -> None:
        """Prepare to ask.

        Args:
            inspector: it answers.
            scratch: folder for the files.
            token: the pipeline, and what tells this request from those about contents.
            lines: the question (`pixd.training.dataset.comparing.lines`).
            pairs: how many there are.

        Raises:
            OSError: the disk refuses.
        """
        scratch.mkdir(parents=True, exist_ok=True)
        self._folder = Path(tempfile.mkdtemp(prefix="compare-", dir=scratch))
        # Nothing else has this folder's name, so the answer to another request is not taken for it.
        self.token = (*token, self._folder.name)
        self.is_writing = True
        self.trouble = ""
        self._inspector = inspector
        self._lines = lines
        self._pairs = pairs
        self._pace = Pace()
        self._done = 0
        self._file = self._question.open("w", encoding="ascii")
        self._found: Assessment | None = None

    @property
    def _question(self) -> Path:
        return self._folder / "question.jsonl"

    @property
    def _answer(self) -> Path:
        return self._folder / "answer.json"

    def step(self) -> Assessment | None:
        """Write a little more of the question, and ask it; return the answer once it has come.

        Raises:
            OSError: the disk refuses.
        """
        ends_at = time.monotonic() + WRITING_S
        while self.is_writing and time.monotonic() < ends_at:
            line = next(self._lines, None)
            if line is None:
                self._ask()
            else:
                self._file.write(line + "\n")
        return self._found

    def _ask(self) -> None:
        self._file.close()
        self.is_writing = False
        self._inspector.submit(
            self.token, {"compare": str(self._question), "answer": str(self._answer)}
        )

    def progress(self, now: float) -> Progress:
        """Return how far it is. `now`: monotonic seconds."""
        made = self._inspector.step_made
        done = made.done if made and made.token == self.token else self._done
        self._pace.note(done - self._done, now)
        self._done = done
        return Progress("pairs", done, self._pairs, self._pace.eta_s(self._pairs - done, now))

    def hear(self, answer: Answer) -> None:
        """Take the inspector's answer.

        Raises:
            DiskError: it could not read or write the files.
            OSError: the same, of this process.
        """
        event = answer.event
        reason = str(event.get("reason") or "the inspector ended")
        if event.get("kind") == "disk":
            raise DiskError(reason, advice=ADVICE_DISK)
        if event["event"] != "done":
            self.trouble = reason
            return
        try:
            self._found = comparing.read_answer(self._answer)
        except (FileNotFoundError, ValueError) as error:  # somebody tidied up the scratch folder
            self.trouble = f"the inspector's answer cannot be read: {error}"

    def close(self) -> None:
        """Remove the files."""
        self._file.close()
        shutil.rmtree(self._folder, ignore_errors=True)
