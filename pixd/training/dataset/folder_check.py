"""Looks at a training folder as it is now, without a store or a service: `pixd check-training`.

The pictures are decoded as in the service, in confined children
(`pixd.training.dataset.inspector_child`), several at once. This process reads names, hashes bytes
and keeps what was measured of each picture. The same code as in the service then assesses the
whole (`pixd.training.dataset.assessment`).
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pixd.config.value_range import bits_of
from pixd.folders import scan
from pixd.folders.companions import COMPANION, HEAD_BYTES, is_companion, may_be_companion
from pixd.store.training_set import Looked
from pixd.system.children.confinement import FILE_BYTES
from pixd.system.digests import hash_file
from pixd.system.errors import PixdError
from pixd.system.names import path_in
from pixd.training.dataset import comparing
from pixd.training.dataset.assessment import Seen, assess, pair_up, refusals
from pixd.training.dataset.comparison import Comparison
from pixd.training.dataset.inspector import inspector
from pixd.training.dataset.pairs import layout_of
from pixd.training.dataset.split import split

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from pixd.system.children.spawner import Spawner
    from pixd.system.children.warm_worker import WarmWorker
    from pixd.training.dataset.assessment import Assessment
    from pixd.training.dataset.finding import Judgement, Setting

MOST_CHILDREN = 8
ASKED_AHEAD = 4  # requests that each child holds, so that it never waits for this process
ANSWER_WITHIN_S = 300.0  # of real time; the limit on processor time is far lower
_WAIT_S = 0.2


class Checked(NamedTuple):
    """What was found in a folder.

    Attributes:
        files: how many were looked at.
        ignored: files that are never looked at, such as dot-files.
        pairs: how many a training would use.
        held_out: how many of these it would only score on.
        judgement: what is wrong, and what is worth a look.
    """

    files: int
    ignored: int
    pairs: int
    held_out: int
    judgement: Judgement


class _Content(NamedTuple):
    """What is known of one content."""

    looked: Looked
    measured: str | None  # as the store keeps it


def check(
    folder: Path,
    setting: Setting,
    spawner: Spawner,
    *,
    show: Callable[[int, int], None] = lambda *_: None,
) -> Checked:
    """Look at every picture of a training folder.

    Args:
        folder: the folder.
        setting: the settings that count, as a pipeline has them.
        spawner: starts the inspectors.
        show: called with how many contents are done, and how many there are.

    Raises:
        PixdError: the folder cannot be read, or no child can be started.
    """
    root = folder.absolute()  # the children have another working folder
    listed = scan.scan(root)
    unread = {**listed.special, **listed.unreadable}
    digests: dict[str, str] = {}
    paths: dict[str, Path] = {}
    for name, stamp in listed.files.items():
        path = path_in(root, name)
        if stamp.size > FILE_BYTES:
            unread[name] = f"over the limit of {FILE_BYTES // 2**20} MiB"
            continue
        try:
            if may_be_companion(name) and is_companion(name, _head(path)):
                unread[name] = COMPANION
                continue
            digests[name] = hash_file(path)
        except OSError as error:
            unread[name] = f"cannot be read: {error.strerror}"
        else:
            paths.setdefault(digests[name], path)
    contents: dict[str, _Content] = {}
    layout, bits = layout_of(setting.pairs), bits_of(setting.value_range)
    for digest, content in _inspected(paths, layout, bits, spawner):
        contents[digest] = content
        show(len(contents), len(paths))
    looked = {digest: content.looked for digest, content in contents.items()}
    seen = Seen(list(digests.items()), looked, unread)
    plan = pair_up(setting, seen)
    told = comparing.Told(setting, 1, refusals(seen, plan), plan.pairs, {})
    lines = comparing.lines(told, lambda digest: contents[digest].measured)
    if len(plan.pairs) <= comparing.FEW:
        found = assess(comparing.read(lines))
    else:
        found = _compared(lines, len(plan.pairs), spawner)
    sides = split(plan.pairs, setting.validation, found.given)
    count = len(listed.files) + len(listed.special) + len(listed.unreadable)
    return Checked(count, listed.ignored, len(sides.used), len(sides.held_out), found.judgement)


def _compared(lines: Iterator[str], pairs: int, spawner: Spawner) -> Assessment:
    """Have the pairs of a large folder compared in a child."""
    with _inspectors(1, spawner) as (child,):
        comparison = Comparison(child, child.scratch.parent, ("", ""), lines, pairs)
        while (found := comparison.step()) is None:
            child.step(time.monotonic())
            for answer in child.collect():
                comparison.hear(answer)
            if comparison.trouble:
                raise PixdError(comparison.trouble, advice="`pixd doctor` looks at what it needs")
            _refuse_stuck(child)
            if not comparison.is_writing:
                _wait([child])
        return found


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(HEAD_BYTES)


def _inspected(
    paths: Mapping[str, Path], layout: str, bits: int, spawner: Spawner
) -> Iterator[tuple[str, _Content]]:
    """Yield what the inspectors find about each content, in the order of their answers."""
    count = max(1, min(MOST_CHILDREN, len(os.sched_getaffinity(0)), len(paths)))
    waiting = iter(paths.items())
    with _inspectors(count, spawner) as children:
        left = len(paths)
        while left:
            now = time.monotonic()
            for child in children:
                while child.load < ASKED_AHEAD and (one := next(waiting, None)):
                    digest, path = one
                    asked = {"image": str(path), "layout": layout, "bits": bits}
                    child.submit(digest, {**asked, "digest": digest})
                child.step(now)
                for answer in child.collect():
                    left -= 1
                    yield answer.token, _content(answer.event)
                _refuse_stuck(child)
            if left:
                _wait(children)


@contextlib.contextmanager
def _inspectors(count: int, spawner: Spawner) -> Iterator[list[WarmWorker]]:
    with tempfile.TemporaryDirectory(prefix="pixd-check-") as scratch:
        children = [
            inspector(
                Path(scratch) / str(number),
                Path(scratch) / f"{number}.log",
                spawner=spawner,
                idle_s=ANSWER_WITHIN_S,
                answer_within_s=ANSWER_WITHIN_S,
            )
            for number in range(count)
        ]
        try:
            yield children
        finally:
            for child in children:
                child.stop()


def _refuse_stuck(child: WarmWorker) -> None:
    if child.is_stuck:
        raise PixdError(
            f"no child that decodes can be started: {child.trouble}",
            advice="`pixd doctor` looks at what it needs",
        )


def _wait(children: Iterable[WarmWorker]) -> None:
    """Wait until a child has sent something. A short limit lets `step` replace a child that died."""
    with selectors.DefaultSelector() as selector:
        for child in children:
            if child.worker is not None:
                selector.register(child.worker, selectors.EVENT_READ)
        selector.select(_WAIT_S)


def _content(event: Mapping[str, object]) -> _Content:
    """Read an inspector's answer."""
    parts = event.get("parts")
    if event["event"] == "done" and isinstance(parts, list):
        return _Content(Looked("", None, None, is_measured=True), json.dumps(parts))
    reason = str(event.get("reason") or "it cannot be decoded")
    width = event.get("width")
    return _Content(
        Looked(reason, width if isinstance(width, int) else None, None, is_measured=False), None
    )
