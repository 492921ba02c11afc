"""`pixd prepare`: make a training set out of folders of pictures. No configuration, no store."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

from pixd.cli.terminal import Progress, bar, warn
from pixd.system.children.spawner import LocalSpawner
from pixd.system.errors import EXIT_FAILED, EXIT_OK, PixdError, UsageError
from pixd.system.wording import counted, duration
from pixd.training.prepare import crew, listing, palettes
from pixd.training.prepare.recipe import SETS, Recipe, Task

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator

    from pixd.training.prepare.listing import Found

_INTERRUPTED = 128 + signal.SIGINT
_ROUNDING = 1e-9
TELL_EVERY_S = 60.0
"""How often to say how far it is, where no terminal shows it all the time."""


def run(args: argparse.Namespace) -> int:
    """Prepare a folder; 1 where something was refused."""
    task, find = _task_of(args)
    _check_folders([Path(folder) for folder in _sources(args)], task.out)
    if task.recipe.op == "edges":
        _require_edges()
    if task.recipe.op == "colour-labels":
        palettes.write(task.out, task.recipe.palette)
    began = time.monotonic()
    tally = crew.Tally()
    problems: list[dict[str, str]] = []
    progress = Progress(every_s=TELL_EVERY_S)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends as Ctrl-C does
    total = (
        sum(not isinstance(found, listing.Ignored) for found in find()) if progress.is_shown else 0
    )

    def tell(path: Path, reason: str) -> None:
        if args.json:
            problems.append({"file": _shown(path), "reason": reason})
        else:
            progress.clear()
            warn(f"pixd: {_shown(path)}: {reason}")

    def show() -> None:
        done = tally.seen + tally.unplaced
        if not progress.is_shown:
            progress.show(f"{done} files so far")
            return
        done = min(done, total)
        progress.show(f"{bar(done, total)} {done} of {total}{_left(began, done, total)}")

    try:
        crew.work_off(find(), task, tally, tell, show, LocalSpawner())
    except KeyboardInterrupt:
        progress.clear()
        warn(
            f"pixd: interrupted after {tally.made} new and {tally.same} as they were; all of these"
            " are whole\n  try: the same command again; it goes on from there"
        )
        return _INTERRUPTED
    finally:
        progress.clear()
    if not tally.seen:
        raise PixdError(f"there are no files in {_sources(args)[0]}", advice="name another folder")
    if args.json:
        told = {
            "op": task.recipe.op, "out": str(task.out), "made": tally.made,
            "replaced": tally.replaced, "unchanged": tally.same, "refused": tally.refused, "ignored": tally.ignored,
            "problems": problems, **({"sets": tally.sets} if task.recipe.op == "split" else {}),
        }  # fmt: skip
        print(json.dumps(told, sort_keys=True, indent=1))
    else:
        _print(tally, task, time.monotonic() - began)
    return EXIT_FAILED if tally.refused else EXIT_OK


# -- what is asked ---------------------------------------------------------------------------


def _sources(args: argparse.Namespace) -> list[str]:
    return [args.a, args.b] if args.op == "combine" else [args.source]


def _task_of(args: argparse.Namespace) -> tuple[Task, Callable[[], Iterator[Found]]]:
    """Return the task, and what finds its jobs."""
    roots = tuple(Path(folder).absolute() for folder in _sources(args))
    out = Path(args.out).absolute()
    if args.op == "split":
        recipe = Recipe("split", shares=_shares(args))
        halves = tuple(roots[0] / side for side in "ab")
        if _holds_pairs(roots[0], halves):
            return Task(halves, out, recipe), lambda: listing.pairs(halves)
        return Task(roots, out, recipe), lambda: listing.files(roots[0])
    if args.op == "colour-labels":
        recipe = Recipe(args.op, palette=palettes.read(args.palette), half=args.half or "")
        return Task(roots, out, recipe), lambda: listing.singles(roots[0])
    is_pair = bool(args.op == "combine" or getattr(args, "combine", False))
    if is_pair and (args.size is None or args.size[0] != args.size[1]):
        raise UsageError("the halves of a pair are squares", advice="--size 256")
    strength = getattr(args, "strength", 0.5)
    recipe = Recipe(args.op, args.size, args.fit, strength, is_pair)
    task = Task(roots, out, recipe)
    if args.op == "combine":
        return task, lambda: listing.pairs(roots)
    return task, lambda: listing.singles(roots[0])


def _shares(args: argparse.Namespace) -> tuple[float, float, float]:
    shares = (args.train, args.val, args.test)
    if abs(sum(shares) - 1) > _ROUNDING:
        said = " + ".join(f"{share:g}" for share in shares)
        raise UsageError(
            f"the shares of {', '.join(SETS)} add up to {said} = {sum(shares):g}, not 1",
            advice="pixd prepare split IN OUT --train 0.8 --val 0.1 --test 0.1",
        )
    return shares


def _holds_pairs(root: Path, halves: tuple[Path, ...]) -> bool:
    """Tell whether a folder is laid out as `pairs: folders`: a/ and b/ and nothing else."""
    try:
        names = {path.name for path in root.iterdir() if not path.name.startswith(".")}
    except OSError:
        return False  # reported by `_check_folders`
    return names == {"a", "b"} and all(half.is_dir() for half in halves)


def _check_folders(sources: list[Path], out: Path) -> None:
    """Check that the folders exist and do not overlap, and make the output folder.

    Raises:
        UsageError: a source is not a folder, or the output lies in a source or around it.
        PixdError: the output folder cannot be made.
    """
    real_out = out.resolve()
    for source in sources:
        if not source.is_dir():
            raise UsageError(f"{source} is no folder", advice="name a folder of pictures")
        real = source.resolve()
        if real_out.is_relative_to(real) or real.is_relative_to(real_out):
            raise UsageError(
                f"{out} and {source} lie in one another: what is made would be taken up again",
                advice="name an output folder beside it",
            )
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PixdError(f"{out} cannot be made: {error.strerror}", advice="name another") from error


def _require_edges() -> None:
    """Check that outlines can be drawn.

    Raises:
        EdgesMissingError: OpenCV is not installed.
    """
    from pixd.images import edges  # noqa: PLC0415 - imports NumPy

    if not edges.is_available():
        raise edges.EdgesMissingError(
            "outlines need OpenCV, which is not installed", advice=edges.INSTALL
        )


# -- what is said ----------------------------------------------------------------------------


def _shown(path: Path) -> str:
    """Return a path as short as it can be typed here, without control characters."""
    from pixd.system.names import name_from_bytes  # noqa: PLC0415 - only where something is refused

    here = Path.cwd()
    short = path.relative_to(here) if path.is_relative_to(here) else path
    return name_from_bytes(os.fsencode(short))


def _left(began: float, done: int, total: int) -> str:
    took_s = time.monotonic() - began
    if not 0 < done < total or took_s < 1:
        return ""
    return f", {duration(took_s / done * (total - done))} left"


def _print(tally: crew.Tally, task: Task, took_s: float) -> None:
    if task.recipe.op == "split":
        made = f"{tally.made} copied"
        sets = ", ".join(f"{name} {tally.sets.get(name, 0)}" for name in SETS)
        print(f"{sets} in {task.out}")
    else:
        noun = "pair" if task.recipe.is_pair else "picture"
        made = f"{tally.made} made"
        print(f"{counted(tally.made + tally.same, noun)} in {task.out}")
    print(f"{made}, {tally.same} as they were, {tally.refused} refused; {duration(took_s)}")
    if tally.replaced:
        took = "1 took" if tally.replaced == 1 else f"{tally.replaced} took"
        print(f"{took} the place of what was made of other pictures with these names")
