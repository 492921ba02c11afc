"""The command line: what there is to say, and one place where errors become exit codes.

Each command lives in a module of `pixd.commands` with a function `run(args) -> int`, imported
only when it is asked for, so that `pixd status` stays quick.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from typing import TYPE_CHECKING

import pixd
from pixd.errors import EXIT_CANNOT_TELL, EXIT_FAILED, EXIT_USAGE, PixdError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_EPILOG = """\
exit codes: 0 done or healthy; 1 failed, or degraded; 2 usage; 3 service not running;
4 cannot tell; 78 configuration; 124 timed out
"""


def parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    top = argparse.ArgumentParser(
        prog="pixd",
        description="Turns folders into an image-translation service.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"pixd {pixd.__version__}")
    top.add_argument("--config", metavar="FILE", help="config.yaml to use (else the usual places)")
    # prog: or argparse would format a usage line, and import shutil, only to find it out.
    commands = top.add_subparsers(
        title="commands", metavar="COMMAND", dest="command", prog=top.prog
    )

    def add(name: str, module: str, help_: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=help_, description=help_)
        command.set_defaults(module=module)
        # Also after the command, where people type it; SUPPRESS keeps one given before it.
        command.add_argument(
            "--config", metavar="FILE", default=argparse.SUPPRESS, help=argparse.SUPPRESS
        )
        return command

    init = add("init", "init", "write config.yaml and the folders")
    init.add_argument("dir", nargs="?", default=".", metavar="DIR")

    demo = add("demo", "demo", "make a small paired set and run the whole pipeline on it")
    demo.add_argument("dir", nargs="?", default="pixd-demo", metavar="DIR")
    demo.add_argument("--keep", action="store_true", help="leave the service running")
    demo.add_argument("--pairs", type=int, default=200, metavar="N", help="training pairs to make")
    demo.add_argument("--steps", type=int, default=None, metavar="N", help="training steps")

    run = add("run", "run", "the service")
    run.add_argument("--once", action="store_true", help="work until nothing is due, then exit")
    run.add_argument(
        "--log-format",
        choices=["text", "json", "journal"],
        help="of the lines on standard error (text; journal where systemd reads them)",
    )

    status = add("status", "status", "how everything is")
    status.add_argument("--json", action="store_true", help="print only JSON")
    status.add_argument("--watch", action="store_true", help="show it anew every second")

    doctor = add("doctor", "doctor", "look at all that pixd needs, and say what mends it")
    doctor.add_argument(
        "--no-model", action="store_true", help="start no TensorFlow: under a second"
    )
    doctor.add_argument("--json", action="store_true", help="print only JSON")

    wait = add("wait", "wait", "wait until the service is idle, or until a change is through")
    wait.add_argument(
        "change", nargs="?", metavar="CHANGE", help="the id of a change, as log shows"
    )
    wait.add_argument("--timeout", type=float, default=None, metavar="S", help="seconds")

    translate = add("translate", "translate", "translate files at once, beside the service")
    translate.add_argument("files", nargs="+", metavar="FILE")
    translate.add_argument(
        "-o", dest="out", default="translated", metavar="DIR", help="(translated)"
    )
    translate.add_argument("--model", metavar="MODEL", help="model@N instead of the live one")
    translate.add_argument("-p", "--pipeline", metavar="NAME")

    export = add("export", "export", "a model as SavedModel, .keras and a model card")
    export.add_argument("model", metavar="MODEL", help="model@N, or live")
    export.add_argument("dir", metavar="DIR")
    export.add_argument("-p", "--pipeline", metavar="NAME")

    _add_lineage(add)
    _add_changes(add)
    _add_service(add)
    check = add(
        "check-config", "check_config", "read the configuration and print the effective settings"
    )
    check.add_argument("-q", "--quiet", action="store_true", help="only say whether it is good")
    return top


def _add_service(add: Callable[[str, str, str], argparse.ArgumentParser]) -> None:
    """Add the command that makes systemd run pixd."""
    service = add("service", "service", "install, uninstall or print the systemd unit")
    service.add_argument("action", choices=["install", "uninstall", "print"])
    service.add_argument("--user", action="store_true", help="under your own systemd, not root's")
    service.add_argument(
        "--root", metavar="DIR", help="write below DIR and start nothing, as when building an image"
    )


def _add_lineage(add: Callable[[str, str, str], argparse.ArgumentParser]) -> None:
    """Add the commands that ask the lineage store."""
    log = add("log", "log", "commits, models or outputs, newest first, with their reasons")
    log.add_argument(
        "repo", nargs="?", metavar="REPO", help="training, input, model, output, or a change"
    )
    log.add_argument("-n", type=int, default=20, metavar="N", help="how many (20)")
    _pipeline_and_json(log)

    show = add("show", "show", "one commit, model, run or output in full")
    show.add_argument(
        "thing", metavar="THING", help="training@3, model@1, run@7, sha256:ab12..., or a file"
    )
    _pipeline_and_json(show)

    diff = add("diff", "diff", "two commits or two models: what differs")
    diff.add_argument("a", metavar="A", help="training@3, input@HEAD~1, model@1")
    diff.add_argument("b", metavar="B")
    diff.add_argument("--images", metavar="FILE.png", help="draw the differing pictures")
    _pipeline_and_json(diff)

    trace = add("trace", "trace", "from an image to all that made it and all that it went into")
    trace.add_argument("thing", metavar="FILE|DIGEST", help="also a renamed copy of an output")
    trace.add_argument("--all", action="store_true", help="every training image, not the first ten")
    trace.add_argument("--format", choices=["openlineage", "prov"], help="for other tools")
    trace.add_argument("--json", action="store_true", help="print only JSON")

    why = add("why", "why", "why a file was taken, made, refused or waits; why a run ran")
    why.add_argument("thing", metavar="FILE|RUN", help="a path, a recorded name, or run@7")
    _pipeline_and_json(why)

    plan = add("plan", "plan", "what would happen now, with estimates")
    _pipeline_and_json(plan)

    models = add("models", "models", "number, dataset, steps, scores, live, pinned")
    _pipeline_and_json(models)


def _add_changes(add: Callable[[str, str, str], argparse.ArgumentParser]) -> None:
    """Add the commands that change what is live, recorded or kept."""
    promote = add("promote", "promote", "make a model live and pin it")
    promote.add_argument("model", metavar="MODEL", help="model@N")
    _pipeline_and_json(promote)

    rollback = add("rollback", "promote", "go back to the model that was live before, and pin it")
    rollback.add_argument("model", nargs="?", metavar="MODEL", help="model@N, if another")
    _pipeline_and_json(rollback)

    unpin = add("unpin", "promote", "let newer models replace the live one again")
    _pipeline_and_json(unpin)

    restore = add("restore", "restore", "write a version back to its folder, or elsewhere")
    restore.add_argument("commit", metavar="COMMIT", help="training@3, input@HEAD~1")
    restore.add_argument("--to", metavar="DIR", help="a new folder instead of the watched one")
    restore.add_argument("--yes", action="store_true", help="do not ask")
    _pipeline_and_json(restore)

    recall = add("recall", "recall", "take one image out of everything that it touched")
    recall.add_argument("file", metavar="FILE", help="a path, a recorded name, or a digest")
    mode = recall.add_mutually_exclusive_group()
    mode.add_argument(
        "--dry-run", action="store_true", help="only say what would be done (default)"
    )
    mode.add_argument("--yes", action="store_true", help="do it")
    mode.add_argument("--proof", action="store_true", help="say what still descends from it")
    mode.add_argument("--undo", action="store_true", help="let it in again")
    _pipeline_and_json(recall)

    gc = add("gc", "gc", "what bytes could be removed, why, and how much")
    gc_mode = gc.add_mutually_exclusive_group()
    gc_mode.add_argument("--apply", action="store_true", help="move them to the trash")
    gc_mode.add_argument(
        "--undo",
        nargs="?",
        const="",
        metavar="BATCH",
        help="bring the last batch back, or that one",
    )
    gc_mode.add_argument("--empty-trash", action="store_true", help="remove it for good")
    gc.add_argument("--json", action="store_true", help="print only JSON")

    verify = add("verify", "verify", "re-hash and re-derive everything that is kept")
    verify.add_argument("store", nargs="?", metavar="STORE", help="a copied store, alone")
    verify.add_argument("--json", action="store_true", help="print only JSON")

    retry = add("retry", "retry", "take up refused or failed work again")
    retry.add_argument("files", nargs="*", metavar="FILE", help="only these; also refused ones")
    _pipeline_and_json(retry)

    pause = add("pause", "pause", "start no new training or translation; files are still recorded")
    _all_and_json(pause)

    resume = add("resume", "pause", "go on after a pause; take a folder on hold as it is")
    _all_and_json(resume)


def _all_and_json(command: argparse.ArgumentParser) -> None:
    command.add_argument("-p", "--pipeline", metavar="NAME", help="only this pipeline (all)")
    command.add_argument("--json", action="store_true", help="print only JSON")


def _pipeline_and_json(command: argparse.ArgumentParser) -> None:
    command.add_argument("-p", "--pipeline", metavar="NAME", help="which pipeline, if several")
    command.add_argument("--json", action="store_true", help="print only JSON")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    top = parser()
    args = top.parse_args(arguments)
    if args.command is None:
        top.print_help(sys.stderr)
        return EXIT_USAGE
    module = importlib.import_module(f"pixd.commands.{args.module}")
    try:
        return int(module.run(args))
    except PixdError as error:
        print(f"pixd: {error.message}", file=sys.stderr)
        if error.advice:
            print(f"  try: {error.advice}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print(file=sys.stderr)
        return 128 + 2
    except BrokenPipeError:
        # The reader (head, less) is gone; a second error while flushing would be noise.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_FAILED
    except Exception as error:
        code = _disk_trouble(error)
        if not code:
            raise
        return code


def _disk_trouble(error: Exception) -> int:
    """Say what a disk refused or damaged, and return the exit code; 0 if it is something else."""
    from pixd import disk  # noqa: PLC0415 - only when something went wrong

    if why := disk.refusal(error):
        print(f"pixd: {why}\n  try: free some space or mend the disk", file=sys.stderr)
        return EXIT_FAILED
    if why := disk.damage(error):
        print(f"pixd: the database is damaged: {why}\n  try: pixd verify", file=sys.stderr)
        return EXIT_CANNOT_TELL
    return 0
