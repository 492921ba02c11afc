"""Looks whether the published files are still there, and has those that somebody deleted made again.

Nobody says when a file of the output folder goes: only a look can tell. A small folder is looked at
often, because a person who deleted an output waits for the new one. A large one is looked at so
seldom that it costs nothing.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from pixd.store.states import OutputState
from pixd.system import disk
from pixd.system.children.folder_calls import NotAnsweringError
from pixd.translation import output_files

if TYPE_CHECKING:
    from pathlib import Path

    from pixd.store.store import Store
    from pixd.translation.publishing import Publisher

MOST_OFTEN_S: Final = 5.0
LEAST_OFTEN_S: Final = 60.0
SHARE: Final = 1e-3
"""Of the time, that looking takes."""
SHOULD_BE_THERE: Final = (OutputState.CURRENT, OutputState.EDITED, OutputState.ORPHANED)


class LostOutputs:
    """The looks at the output folder of one pipeline."""

    def __init__(
        self, store: Store, pipeline: str, repo_id: int, folder: Path, publisher: Publisher
    ) -> None:
        """Look at nothing before the first `look`; `publisher` is the one of this folder."""
        self._store, self._pipeline, self._repo_id = store, pipeline, repo_id
        self._folder, self._publisher = folder, publisher
        self.next_at = 0.0  # monotonic seconds

    @property
    def has_looked(self) -> bool:
        """Tell whether the folder was looked at, or could not be."""
        return self.next_at > 0.0

    def look(self, now: float) -> str | None:
        """Queue the inputs of outputs that somebody deleted, if it is time to look.

        Returns:
            Why the output folder cannot be looked at, or "". None if nothing was looked at now: it
            is not time yet, or the folder has not answered yet.
        """
        if now < self.next_at:
            return None
        began = time.monotonic()
        why = self._look()
        if why is not None:
            took = time.monotonic() - began
            is_slow = bool(self._publisher.calls.network)
            rest_s = LEAST_OFTEN_S if is_slow else min(took / SHARE, LEAST_OFTEN_S)
            self.next_at = now + max(rest_s, MOST_OFTEN_S)
        return why

    def _look(self) -> str | None:
        if why := self._publisher.why_not():
            return why
        outputs = self._store.outputs
        listed = [
            path for state in SHOULD_BE_THERE for path in outputs.paths_in(self._pipeline, state)
        ]
        try:
            with self._publisher.held() as folder:  # or a disk that goes now takes all with it
                missing = self._publisher.calls.call(output_files.missing_of, folder, listed)
        except NotAnsweringError:
            return None
        except OSError as error:
            return disk.refusal(error) or f"{self._folder}: {error.strerror}"
        with self._store.transaction():
            for path in missing:
                with self._publisher.noted(f"{path} is missing, and cannot be made again"):
                    outputs.lose(self._pipeline, self._repo_id, path)
        return ""
