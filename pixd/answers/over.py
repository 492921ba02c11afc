"""Which warnings are over, so that the status does not tell of them as if they were not. Pure.

A folder was on hold and is as it was, a disk was full and has room, a wrong configuration was put
right: `pixd log` has all of that. That a file was refused is over when none of the pipeline's is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pixd.store.queries.status import Trouble

_BLOCKED = {
    "recording training:": "training",
    "recording input:": "input",
    "training:": "train",
    "translating:": "translate",
}
"""How a warning of a disk that refuses begins, and the part of the status that says so now."""


def not_over(
    found: Iterable[Trouble], pipelines: Mapping[str, Any], *, is_running: bool, config: str
) -> Iterator[Trouble]:
    """Yield the warnings that are not over, and of those of a state that lasts the newest.

    Args:
        found: newest first.
        pipelines: as `pixd.answers.status.snapshot` has them.
        is_running: whether a service runs; what disks do is known only then.
        config: why a changed configuration is not in force, or "".
    """
    seen = set()
    for one in found:
        state = _state_of(one)
        if state is not None:
            if state in seen or not _lasts(state, pipelines, is_running=is_running, config=config):
                continue
            seen.add(state)
        if one.kind == "rejected" and not _has_rejected(pipelines[one.pipeline]):
            continue
        yield one


def _has_rejected(pipeline: Mapping[str, Any]) -> bool:
    return any(pipeline[folder]["rejected"] for folder in ("training", "input"))


def _state_of(one: Trouble) -> tuple[str, str, str] | None:
    """Return the state that a warning tells the beginning of: kind, pipeline and part; or None."""
    if one.kind == "config":
        return one.kind, "", ""
    if one.kind == "hold":
        return one.kind, one.pipeline, one.message.partition(" ")[0]
    if one.kind == "blocked":
        for words, part in _BLOCKED.items():
            if one.message.startswith(words):
                return one.kind, one.pipeline, part
    return None


def _lasts(
    state: tuple[str, str, str], pipelines: Mapping[str, Any], *, is_running: bool, config: str
) -> bool:
    kind, pipeline, part = state
    if kind == "hold":
        return bool(pipelines[pipeline][part]["held"])
    if not is_running:
        return True
    return bool(config if kind == "config" else pipelines[pipeline][part]["blocked"])
