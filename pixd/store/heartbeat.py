"""The service's heartbeat: what only the running service knows, kept in the store for readers.

The file is `service.json`. `pixd.service.heartbeat` writes it about once a second; it is not part
of the record. The classes here and in
`pixd.store.engine_beat` are its only description. Only this module writes them as JSON and
reads them back.

A reader may be older or newer than the service that wrote the file. So a missing field always has
its default. An unknown field is ignored in a file of another version of pixd, and refused in one of
this version. A value of another kind than its field is refused.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import json
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pixd
from pixd.store.engine_beat import Engine
from pixd.system.errors import CannotTellError

LIVE = "service.json"
LIVE_BLOCK_BYTES = 4096  # the file is padded by more than one, so that a longer text fits in place


class HeartbeatError(CannotTellError):
    """The heartbeat is not what a service of this version writes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Folder:
    """A watched folder.

    Attributes:
        watch: how changes are noticed: inotify or poll.
        watch_why: why it is polled, or "".
        last_scan_at: RFC 3339; None before the first scan.
        overflows: times that the kernel's event queue overflowed.
        missed_events: files that a scan found and no event had named.
        ignored: names that are not looked at.
        held: why the folder is on hold, or "".
        not_answering: that its file system does not answer, and since when; or "".
        blocked: what a disk refuses, or "".
    """

    watch: str = "poll"
    watch_why: str = ""
    last_scan_at: str | None = None
    overflows: int = 0
    missed_events: int = 0
    ignored: int = 0
    held: str = ""
    not_answering: str = ""
    blocked: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Looking:
    """How far the look at a training folder is.

    Attributes:
        phase: images (each is looked at) or pairs (they are compared with each other).
        done: how many.
        all: of how many.
        eta_seconds: how long it still takes; None where nobody can tell.
    """

    phase: str = "images"
    done: int = 0
    all: int = 0
    eta_seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Train:
    """The training of a pipeline.

    Attributes:
        state: idle, waiting, running, failed or paused.
        reason: why.
        commit: sequence number of the newest commit that was looked at.
        run: of the training that runs.
        step: how many it has done.
        steps: how many it will do.
        images_per_second: its present rate.
        eta_seconds: how long it still takes; None where nobody can tell.
        losses: of its last step, by name.
        validation: its last held-out scores by name, and their step; None before the first.
        best_step: since which step nothing got better; 0 where that is not known or not asked.
        stops_at: the step at which it stops if nothing gets better until then; None where it makes
            all of its steps.
        preview: path of the sheet of samples, or "".
        preview_step: at which it was drawn last; 0 where there is none.
        blocked: what a disk refuses, or "".
        looking: how far the look at the folder is; None while there is nothing to look at.
    """

    state: str = "idle"
    reason: str = ""
    commit: int = 0
    run: int | None = None
    step: int = 0
    steps: int = 0
    images_per_second: float = 0.0
    eta_seconds: float | None = None
    losses: Mapping[str, float] = field(default_factory=dict)
    validation: Mapping[str, float | None] | None = None
    best_step: int = 0
    stops_at: int | None = None
    preview: str = ""
    preview_step: int = 0
    blocked: str = ""
    looking: Looking | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tiles:
    """An image that is translated in tiles: its name, how many are done, and of how many."""

    name: str = ""
    done: int = 0
    all: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Translate:
    """The translation of a pipeline.

    Attributes:
        phase: what the translator is doing while it starts, or "".
        trouble: why it cannot work, or "".
        not_answering: that the output folder does not answer, and since when; or "".
        blocked: what a disk refuses, or "".
        tiles: the image that is translated in tiles, if there is one.
    """

    phase: str = ""
    trouble: str = ""
    not_answering: str = ""
    blocked: str = ""
    tiles: Tiles | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineBeat:
    """One pipeline: its two folders and its two stages."""

    training: Folder = field(default_factory=Folder)
    input: Folder = field(default_factory=Folder)
    train: Train = field(default_factory=Train)
    translate: Translate = field(default_factory=Translate)

    def folder(self, kind: str) -> Folder:
        """Return the training folder or the input folder."""
        return {"training": self.training, "input": self.input}[kind]


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat:
    """What a service reports about itself.

    Attributes:
        at: when it said so, RFC 3339.
        pid: of the service.
        version: of pixd.
        started_at: RFC 3339.
        stopped_at: when it was stopped in order, RFC 3339; None while it runs.
        device: cpu or gpu.
        idle: whether nothing is under way, and nothing will begin by itself.
        stale: what should have moved and has not, or "".
        config: why a changed configuration is not in force, or "".
        blocked: what the store's disk refuses, or "".
        metrics: why the metrics file cannot be written, or "".
        web: why the page is down, or "".
        engine: the cluster that children run on; None where they run on this machine.
        heights: how far the database has come; see `pixd.store.writer.refuse_older_than`.
        pipelines: by name.
    """

    at: str = ""
    pid: int = 0
    version: str = ""
    started_at: str = ""
    stopped_at: str | None = None
    device: str = "cpu"
    idle: bool = False
    stale: str = ""
    config: str = ""
    blocked: str = ""
    metrics: str = ""
    web: str = ""
    engine: Engine | None = None
    heights: Mapping[str, int] = field(default_factory=dict)
    pipelines: Mapping[str, PipelineBeat] = field(default_factory=dict)

    def pipeline(self, name: str) -> PipelineBeat:
        """Return what is reported of a pipeline, or the defaults."""
        return self.pipelines.get(name) or PipelineBeat()


# -- the file --------------------------------------------------------------------------------


def write(folder: Path, heartbeat: Heartbeat) -> None:
    """Publish the heartbeat for readers. It is not durable: it is true only while the service runs.

    On a full disk it is written over the last one, in place, because that takes no new block. So a
    service whose store cannot be written can still say so.

    Raises:
        OSError: the disk refuses that too.
    """
    text = json.dumps(to_json(heartbeat), sort_keys=True)
    text = text.ljust((len(text) // LIVE_BLOCK_BYTES + 2) * LIVE_BLOCK_BYTES)
    temporary = folder / f".{LIVE}.tmp"
    try:
        temporary.write_text(text)
        temporary.replace(folder / LIVE)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink()  # to free its blocks
        with (folder / LIVE).open("r+") as present:
            present.write(text)
            present.truncate()


def read(folder: Path) -> Heartbeat | None:
    """Return the last heartbeat, or None where there is none or it is no JSON.

    Raises:
        HeartbeatError: it is JSON, but not what a service writes.
    """
    found = _load(folder)
    return from_json(found) if found else None


def read_heights(folder: Path) -> dict[str, int]:
    """Return the heights of the last heartbeat, whatever else it says; {} where it has none."""
    heights = _load(folder).get("heights")
    if not isinstance(heights, dict):
        return {}
    return {table: height for table, height in heights.items() if type(height) is int}


def _load(folder: Path) -> dict[str, Any]:
    try:
        found = json.loads((folder / LIVE).read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


# -- JSON ------------------------------------------------------------------------------------


NEWER: typing.Final = {
    "not_answering": "",
    "web": "",
    "best_step": 0,
    "stops_at": None,
    "preview_step": 0,
    "engine": None,
}


def to_json(heartbeat: Heartbeat) -> dict[str, Any]:
    """Return what `from_json` reads. Only a service that was stopped has `stopped_at`.

    Of `NEWER`, it has only what is not usual, so that an older command reads a newer service.
    """
    found = dataclasses.asdict(heartbeat)
    if found["stopped_at"] is None:
        del found["stopped_at"]
    parts = [part for pipeline in found["pipelines"].values() for part in pipeline.values()]
    for part in (found, *parts):
        for name, usual in NEWER.items():
            if name in part and part[name] == usual:
                del part[name]
    return found


def from_json(found: Mapping[str, Any]) -> Heartbeat:
    """Return the heartbeat that a service wrote; the module says what is tolerated.

    Raises:
        HeartbeatError: a value is of another kind than its field, or a field is not known and
            the file is of this version of pixd.
    """
    version = found.get("version")
    reader = _Reader(str(version), is_of_another=version != pixd.__version__)
    heartbeat = reader.read(Heartbeat, found, "")
    assert isinstance(heartbeat, Heartbeat)  # the kind that was asked for
    return heartbeat


_kinds = functools.cache(typing.get_type_hints)  # field names and their kinds


class _Reader:
    """Makes values of a kind from JSON."""

    def __init__(self, version: str, *, is_of_another: bool) -> None:
        self._version = version
        self._is_of_another = is_of_another

    def read(self, kind: Any, value: Any, where: str) -> Any:
        """Return `value` as `kind`; `where` is the path of its field, for the message."""
        if dataclasses.is_dataclass(kind):
            return self._read_class(kind, value, where)
        if isinstance(kind, types.UnionType):  # only "or None" occurs
            (other,) = (one for one in typing.get_args(kind) if one is not types.NoneType)
            return None if value is None else self.read(other, value, where)
        if typing.get_origin(kind) is Mapping:
            of = typing.get_args(kind)[1]
            parts = self._mapping(value, where).items()
            return {name: self.read(of, part, f"{where}.{name}") for name, part in parts}
        is_number = kind is float and type(value) is int
        if type(value) is not kind and not is_number:
            self._refuse(where, f"is {value!r:.80}, which is no {kind.__name__}")
        return value

    def _read_class(self, kind: Any, value: Any, where: str) -> Any:
        kinds = _kinds(kind)
        found = self._mapping(value, where)
        unknown = found.keys() - kinds.keys()
        if unknown and not self._is_of_another:
            self._refuse(f"{where}.{min(unknown)}", "is not known")
        known = {name: part for name, part in found.items() if name in kinds}
        return kind(
            **{
                name: self.read(kinds[name], part, f"{where}.{name}")
                for name, part in known.items()
            }
        )

    def _mapping(self, value: Any, where: str) -> dict[str, Any]:
        if not isinstance(value, dict):
            self._refuse(where, f"is {value!r:.80}, which is no mapping")
        return dict(value)

    def _refuse(self, where: str, what: str) -> typing.NoReturn:
        raise HeartbeatError(
            f"the service's heartbeat ({LIVE} of pixd {self._version}) is not understood by pixd"
            f" {pixd.__version__}: {where.lstrip('.') or 'it'} {what}",
            advice="restart the service, so that both are of one version",
        )
