"""`pixd demo`: make a small paired set, run the whole pipeline on it, show the result.

Nothing here knows more than a user does: it writes a config, starts `pixd run`, drops files
into folders, and waits. `pixd.images` draws the pictures and the contact sheet.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pixd.answers import status
from pixd.cli import streams
from pixd.cli.commands import web
from pixd.cli.terminal import Progress, bar, warn
from pixd.config.load import load
from pixd.store import lock
from pixd.system.children.spawner import LocalSpawner, NoResultError, run_to_end
from pixd.system.children.spec import ScoreSpec
from pixd.system.errors import PixdError, UsageError
from pixd.system.wording import duration

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator

    from pixd.config import Settings

IMAGE_SIZE = 128
NGF = 32
STEPS = 1600
INPUTS = 12
SEED = 1
UNSEEN_SEED = 500_000  # far from the training set's seeds
SHOWN = 8
LIMIT_S = 3600.0
TELL_EVERY_S = 60.0
"""How often to say how far it is, where no terminal shows it all the time."""

ENGINE = """\
# The cluster that `pixd demo --ray` started for itself. As many processors are counted as
# trainer and translator ask for together, so that both run as they do without it.
engine: ray
device: cpu
ray:
  address: {address}
  token: {token}
  train: {{cpus: {cpus}}}
  translate: {{cpus: {cpus}, most: 1}}
"""

CONFIG = """\
# Written by `pixd demo`. A small network on small pictures, so that a laptop learns it in
# minutes; for real work start from `pixd init`, with image_size 256 and ngf 64.
store: ./store
pipelines:
  facades:
    training: ./training
    input: ./input
    output: ./output
    direction: AtoB        # left half: label map, right half: the facade
    image_size: {size}
    settle_seconds: 1
    train:
      quiet_seconds: 2
      early_seconds: 20
      steps: {steps}
      ngf: {ngf}
      ndf: {ngf}
      jitter: false        # every facade is drawn to the same scale,
      flip: false          # and lit from the left
      validation: 0.05
"""


def run(args: argparse.Namespace) -> int:
    """Run the demo in DIR and return 0 when its outputs beat every trivial baseline."""
    folder = Path(args.dir).absolute()
    if folder.exists() and any(folder.iterdir()) and not (folder / ".pixd-demo").exists():
        raise PixdError(f"{folder} holds other things", advice="name a new folder: pixd demo DIR")
    if args.ray and args.keep:
        raise UsageError(
            "--ray and --keep do not go together: the cluster ends with the demo",
            advice="docs/cluster.md says how to start one that stays",
        )
    # So that whatever was started ends with the demo.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    streams.write_lines_at_once()
    began = time.monotonic()
    progress = Progress(every_s=TELL_EVERY_S)
    _prepare(folder, args.pairs, args.steps or STEPS, progress)
    with _engine(folder, args, progress):
        return _run(folder, args, progress, began)


def _run(folder: Path, args: argparse.Namespace, progress: Progress, began: float) -> int:
    settings = load(folder / "config.yaml")
    tell = _teller()
    tell(f"made {args.pairs} pairs of label map and facade in {folder / 'training'}")
    with _service(folder, keep=args.keep) as log:
        late = _drop_inputs(folder, INPUTS - 1)
        tell(f"started `pixd run`, dropped {INPUTS - 1} label maps that it will not train on")
        first_s = _until(settings, progress, lambda s: s["input"]["translated"] >= INPUTS - 1, log)
        if early := status.snapshot(settings)["pipelines"]["facades"]["model"]["early"]:
            made_by = f"an early model, step {early['step']} of {early['steps']}"
            tell(f"the first pictures came after {duration(first_s)}: {made_by}")
        model_s = first_s + _until(settings, progress, _has_own_outputs, log)
        steps = args.steps or STEPS
        tell(f"trained {steps} steps; all made by the model after {duration(model_s)}")
        dropped_at = time.monotonic()
        _drop(folder, late)
        _until(settings, progress, lambda s: s["input"]["translated"] >= INPUTS, log)
        took = time.monotonic() - dropped_at
        tell(f"dropped one more into the running service: translated {took:.1f} s later")
        rows = _score(folder, progress)
        sheet = _contact_sheet(folder)
        progress.clear()
        _print_results(folder, rows, sheet, began)
        _print_next_steps(folder, keep=args.keep)
        if not args.keep:
            _show_page(folder, settings)
    if _beats_baselines(rows):
        return 0
    warn(
        "pixd: the outputs are not better than each of these baselines (exit code 1)\n"
        f"  try: more steps than {steps} (--steps), or more pairs than {args.pairs} (--pairs)"
    )
    return 1


def _teller() -> Callable[[str], None]:
    """Return what prints a line with its number; how many there are depends on what happens."""
    number = itertools.count(1)
    return lambda told: print(f"{next(number)}. {told}")


@contextlib.contextmanager
def _engine(folder: Path, args: argparse.Namespace, progress: Progress) -> Iterator[None]:
    """Start a cluster if one is asked for, and name it in config.yaml; it is of no use afterwards."""
    if not args.ray:
        yield
        return
    from pixd.cluster import own_cluster  # noqa: PLC0415 - only for --ray
    from pixd.system import machine  # noqa: PLC0415 - as above

    config, cpus = folder / "config.yaml", machine.available()
    plain = config.read_text()
    doing = "starting a cluster of Ray on this machine"
    progress.show(doing, phase=doing)
    with own_cluster.started(2 * cpus) as cluster:
        progress.clear()
        told = {"address": cluster.address, "token": cluster.token, "cpus": cpus}
        config.write_text(ENGINE.format(**told) + plain)
        try:
            print(f"0. started a cluster of Ray at {cluster.address}, on this machine alone")
            yield
        finally:
            config.write_text(plain)


def _prepare(folder: Path, pairs: int, steps: int, progress: Progress) -> None:
    from pixd.images import demo_set  # noqa: PLC0415 - imports Pillow

    doing = "drawing the pictures"
    progress.show(doing, phase=doing)
    for below in ("training", "input", "output", "targets", "drawn"):
        (folder / below).mkdir(parents=True, exist_ok=True)
    (folder / ".pixd-demo").touch()
    (folder / "config.yaml").write_text(CONFIG.format(size=IMAGE_SIZE, steps=steps, ngf=NGF))
    demo_set.write_demo_set(
        folder / "training",
        pairs,
        SEED,
        size=IMAGE_SIZE,
        progress=lambda n: progress.show(f"{doing} {bar(n, pairs)} {n} of {pairs}", phase=doing),
    )
    for number in range(INPUTS):
        label, photo = demo_set.facade_pair(UNSEEN_SEED + number, IMAGE_SIZE)
        label.save(folder / "drawn" / _name(number))
        photo.save(folder / "targets" / _name(number))
    progress.clear()


def _name(number: int) -> str:
    return f"unseen-{number + 1:02d}.png"


def _drop_inputs(folder: Path, count: int) -> str:
    for number in range(count):
        _drop(folder, _name(number))
    return _name(count)


def _drop(folder: Path, name: str) -> None:
    """Put a file into the input folder as a careful program does: whole, by a rename."""
    temporary = folder / "input" / f".{name}.part"
    temporary.write_bytes((folder / "drawn" / name).read_bytes())
    temporary.rename(folder / "input" / name)


@contextlib.contextmanager
def _service(folder: Path, *, keep: bool) -> Iterator[Path]:
    log = folder / "service.log"
    with log.open("ab") as stderr:
        child = subprocess.Popen(
            [sys.executable, "-m", "pixd", "--config", str(folder / "config.yaml"), "run"],
            stdin=subprocess.DEVNULL,
            stdout=stderr,
            stderr=stderr,
            start_new_session=True,
        )
    try:
        yield log
    except BaseException:
        child.send_signal(signal.SIGTERM)
        child.wait()
        raise
    if not keep:
        child.send_signal(signal.SIGTERM)
        child.wait()


def _until(
    settings: Settings, progress: Progress, is_done: Callable[[dict[str, Any]], bool], log: Path
) -> float:
    """Wait until the pipeline's status satisfies a condition; return the seconds it took."""
    began = time.monotonic()
    while True:
        seen = status.snapshot(settings)
        pipeline = seen["pipelines"]["facades"]
        if is_done(pipeline):
            progress.clear()
            return time.monotonic() - began
        waited = time.monotonic() - began
        if pipeline["train"]["state"] == "failed":
            raise PixdError(f"training failed: {pipeline['train']['reason']}", advice=f"read {log}")
        is_running = lock.holder_pid(settings.store) is not None
        if waited > LIMIT_S or (waited > 10 and not is_running):  # noqa: PLR2004
            raise PixdError("the service ended, or takes too long", advice=f"read {log}")
        phase, how_far = _doing(pipeline, waited)
        progress.show(how_far, phase=phase)
        time.sleep(0.1)


def _has_own_outputs(pipeline: dict[str, Any]) -> bool:
    """Tell whether the training has ended and its own model made all outputs."""
    is_own = pipeline["model"] is not None and pipeline["model"]["early"] is None
    return is_own and pipeline["input"]["translated"] >= INPUTS - 1


def _doing(pipeline: dict[str, Any], waited: float) -> tuple[str, str]:
    """Return what the service does, and how far it is with that."""
    train = pipeline["train"]
    if train["state"] == "running" and train["steps"]:
        left = f", {duration(train['eta_seconds'])} left" if train["eta_seconds"] else ""
        step, steps = train["step"], train["steps"]
        return "training", f"training {bar(step, steps)} step {step} of {steps}{left}"
    if train["state"] == "running":
        return "starting to train", f"training: {train['reason']}, {waited:.0f} s"
    phase = pipeline["translate"].get("phase")
    if phase:
        return "translator", f"translator: {phase}, {waited:.0f} s"
    return "waiting", f"{train['reason'] or 'waiting for the service'}, {waited:.0f} s"


def _score(folder: Path, progress: Progress) -> dict[str, dict[str, float]]:
    """Score the outputs beside the trivial baselines, in a child."""
    scratch = folder / "store" / "scratch" / "score"
    scratch.mkdir(parents=True, exist_ok=True)
    doing = "scoring the outputs beside the baselines"
    progress.show(doing, phase=doing)
    names = [_name(number) for number in range(INPUTS)]
    spec = ScoreSpec(
        run_id="demo",
        size=IMAGE_SIZE,
        triples=[
            {
                "name": name,
                "input": str(folder / "input" / name),
                "target": str(folder / "targets" / name),
            }
            for name in names
        ],
        train=[{"pair": str(path)} for path in sorted((folder / "training").iterdir())],
        runs={"pixd": {name: str(folder / "output" / name) for name in names}},
    )
    try:
        result = run_to_end(
            LocalSpawner(),
            "pixd.pix2pix.score",
            spec,
            scratch,
            told=lambda _: progress.show(doing, phase=doing),
        )
        why = result.error["message"] if result.error else ""
    except NoResultError as error:
        why = error.message
    if why:
        raise PixdError(
            f"scoring failed: {why}",
            advice="the outputs are there all the same; `pixd models` has the model's own scores",
        )
    return dict(result.metrics["rows"])


def _contact_sheet(folder: Path) -> Path:
    from pixd.images import contact_sheet  # noqa: PLC0415 - imports Pillow

    rows = []
    for number in range(SHOWN):
        name = _name(number)
        places = [folder / below / name for below in ("input", "output", "targets")]
        rows.append((name, places))
    path = folder / "contact-sheet.png"
    contact_sheet.write_contact_sheet(path, rows, ("input", "output", "target"), tile_px=192)
    return path


def _print_results(
    folder: Path, rows: dict[str, dict[str, float]], sheet: Path, began: float
) -> None:
    print()
    _print_table(rows)
    print()
    print(f"look at     {sheet}")
    print(f"            input, output and target of the first {SHOWN} by name, none chosen")
    print(f"outputs     {folder / 'output'}")
    print(f"took        {duration(time.monotonic() - began)}")


def _show_page(folder: Path, settings: Settings) -> None:
    """Keep service and page up until Enter, where a person sits at a terminal."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return
    print()
    try:
        with web.page_beside(settings, folder / "page.log") as link:
            print(f"draw        {link}")
            print("            draw a house there and see it built; Enter ends this", flush=True)
            with contextlib.suppress(KeyboardInterrupt):
                sys.stdin.readline()
    except PixdError as error:
        print(f"no page: {error.message}; try: {error.advice}")


def _print_table(rows: dict[str, dict[str, float]]) -> None:
    print(f"{'':20}{'L1':>8}{'PSNR':>8}{'SSIM':>8}{'sharpness':>11}   ({INPUTS} unseen facades)")
    for name in sorted(rows, key=lambda name: (name == "pixd", name)):
        row = rows[name]
        print(
            f"{name:20}{row['l1']:>8.1f}{row['psnr']:>8.1f}{row['ssim']:>8.3f}"
            f"{row['sharpness']:>11.2f}"
        )


def _beats_baselines(rows: dict[str, dict[str, float]]) -> bool:
    ours = rows["pixd"]
    others = [row for name, row in rows.items() if name != "pixd"]
    return all(ours["l1"] < row["l1"] and ours["ssim"] > row["ssim"] for row in others)


def _typed() -> str:
    """Return what a person types to start this pixd here."""
    program = Path(sys.argv[0])
    found = shutil.which("pixd")
    if program.name != "pixd" or (found and Path(found).resolve() == program.resolve()):
        return "pixd"
    return os.path.relpath(program)


def _print_next_steps(folder: Path, *, keep: bool) -> None:
    shown = os.path.relpath(folder / "config.yaml")
    pixd = _typed()
    print()
    print("try next")
    if not keep:
        print(f"  {pixd} --config {shown} run          start the service again")
    print(f"  {pixd} --config {shown} run --web    and the page: draw, look and drop in a browser")
    print(f"  {pixd} --config {shown} status       how everything is")
    print(f"  {pixd} --config {shown} models       every model, the early ones too")
    print(f"  {pixd} --config {shown} log output   what made each output")
    print(f"  cp YOUR-LABEL-MAP.png {os.path.relpath(folder / 'input')}/   then look into output/")
