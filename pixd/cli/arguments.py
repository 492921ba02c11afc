"""What can be typed on the command line: the commands, their options, and examples.

Leaves to others: how a command line is read (`pixd.cli.parser`) and carried out (`pixd.cli.main`).
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from typing import Any

import pixd
from pixd.cli import (
    cluster_arguments,
    export_arguments,
    prepare_arguments,
    service_arguments,
    training_arguments,
    web_arguments,
)
from pixd.cli.check_arguments import add_folder_settings
from pixd.cli.common_options import (
    all_and_json,
    pipeline_and_json,
    pipeline_option,
    report_options,
)
from pixd.cli.parser import CommandParser
from pixd.system.errors import EXIT_MEANINGS

_SUMMARY = "Turns folders into an image-translation service."
USAGE = "pixd [--config FILE] COMMAND ..."
FIRST_STEPS = """\
first steps:
  pixd demo                   see it work, in a folder of its own
  pixd init pictures          make config.yaml and the folders
  pixd run                    the service; Ctrl-C stops it
  pixd status                 is it well, what does it do, what to do if not
  pixd trace output/x.png     what made it
"""
_EXIT_CODES = "\n".join(f"  {code:<4} {meaning}" for code, meaning in EXIT_MEANINGS.items())
_EPILOG = f"""\
{FIRST_STEPS}
`pixd COMMAND --help` says more of one, `pixd man | man -l -` all.

exit codes:
{_EXIT_CODES}
"""

Add = Callable[..., CommandParser]
"""Adds a command: name, module, summary, and what else `CommandParser` takes."""


def parser() -> CommandParser:
    """Return the parser of the whole command line."""
    # The commands are listed by group in the description: argparse has one list for all.
    top = CommandParser(prog="pixd", usage=USAGE, epilog=_EPILOG)
    top.add_argument("--version", action="version", version=f"pixd {pixd.__version__}")
    top.add_argument("--config", metavar="FILE", help="config.yaml to use (else the usual places)")
    # With prog, argparse need not format a usage line, and import shutil, to find it out.
    commands = top.add_subparsers(
        metavar="COMMAND", dest="command", prog=top.prog, help=argparse.SUPPRESS
    )

    def add(name: str, module: str, help_: str, **about: Any) -> CommandParser:
        command = commands.add_parser(name, description=help_, module=module, **about)
        # Also after the command, where people type it; SUPPRESS keeps one given before it.
        command.add_argument(
            "--config", metavar="FILE", default=argparse.SUPPRESS, help=argparse.SUPPRESS
        )
        return command

    _add_start(partial(add, group="start and serve"))
    _add_asking(partial(add, group="how is it, and why"))
    _add_images(partial(add, group="make and take along"))
    _add_changes(partial(add, group="choose, undo and keep"))
    _add_service(partial(add, group="set up"))
    top.description = f"{_SUMMARY}\n{top.list_commands()}"
    top.set_defaults(parser=top)  # for the commands that describe all commands
    return top


def _add_start(add: Add) -> None:
    """Add the commands of the first day."""
    init = add(
        "init", "init", "write config.yaml and the folders",
        examples=["pixd init pictures"],
    )  # fmt: skip
    init.add_argument("dir", nargs="?", default=".", metavar="DIR", help="where (here)")

    demo = add(
        "demo", "demo", "make a small paired set and run the whole pipeline on it",
        examples=["pixd demo /tmp/demo --pairs 50 --steps 300  # in a minute or two"],
    )  # fmt: skip
    demo.add_argument(
        "dir", nargs="?", default="pixd-demo", metavar="DIR", help="where (pixd-demo)"
    )
    demo.add_argument("--keep", action="store_true", help="leave the service running")
    demo.add_argument(
        "--ray", action="store_true", help="on a cluster of Ray that it starts on this machine"
    )
    demo.add_argument("--pairs", type=int, default=200, metavar="N", help="training pairs to make")
    demo.add_argument("--steps", type=int, default=None, metavar="N", help="training steps")

    run = add(
        "run", "run", "the service",
        examples=["pixd run", "pixd run --web", "pixd run --once  # do what is due and end, as from cron"],
    )  # fmt: skip
    run.add_argument("--web", action="store_true", help="and the page beside it; prints its link")
    run.add_argument("--once", action="store_true", help="work until nothing is due, then exit")
    run.add_argument(
        "--new-store",
        action="store_true",
        help="begin anew where the store that was there is gone, or take the one that is there",
    )
    run.add_argument(
        "--log-format",
        choices=["text", "json", "journal"],
        help="of the lines on standard error (text; journal where systemd reads them)",
    )

    web = add(
        "web", "web", "the page: look, draw and drop pictures in a browser",
        examples=["pixd web", "pixd web --link  # the address, with the token in it"],
    )  # fmt: skip
    web_arguments.add_to(web)

    wait = add(
        "wait", "wait", "wait until the service is idle, or until a change is through",
        examples=["cp new/*.jpg training/ && pixd wait --timeout 3600"],
    )  # fmt: skip
    wait.add_argument(
        "change", nargs="?", metavar="CHANGE", help="the id of a change, as log shows"
    )
    wait.add_argument("--timeout", type=float, default=None, metavar="S", help="seconds")

    pause = add(
        "pause", "pause", "start no new training or translation; files are recorded",
        examples=["pixd pause", "pixd pause -p facades"],
    )  # fmt: skip
    all_and_json(pause)

    resume = add(
        "resume", "pause", "go on after a pause; take a folder on hold as it is",
        examples=["pixd resume"],
    )  # fmt: skip
    all_and_json(resume)


def _add_asking(add: Add) -> None:
    """Add the commands that ask the lineage store."""
    status = add(
        "status", "status", "how everything is",
        examples=["pixd status", "pixd status --json | jq .state"],
    )  # fmt: skip
    status.add_argument("--json", action="store_true", help="print only JSON")
    status.add_argument("--watch", action="store_true", help="show it again every second")

    doctor = add(
        "doctor", "doctor", "check all that pixd needs, and say how to fix what is wrong",
        examples=["pixd doctor", "pixd doctor --no-model --json | jq .state"],
    )  # fmt: skip
    doctor.add_argument(
        "--no-model", action="store_true", help="start no TensorFlow: under a second"
    )
    doctor.add_argument("--json", action="store_true", help="print only JSON")

    log = add(
        "log", "log", "commits, models or outputs, newest first, with their reasons",
        examples=["pixd log training", "pixd log 3f2a91c0de  # all that came of one change"],
    )  # fmt: skip
    log.add_argument(
        "repo", nargs="?", metavar="REPO", help="training, input, model, output, or a change"
    )
    log.add_argument("-n", type=int, default=20, metavar="N", help="how many (20)")
    pipeline_and_json(log)

    show = add(
        "show", "show", "one commit, model, run or output in full",
        examples=["pixd show training@3", "pixd show live", "pixd show facades/model@2"],
    )  # fmt: skip
    show.add_argument(
        "thing",
        metavar="THING",
        help="training@3, model@1, run@7, live, a change, sha256:ab12..., or a file",
    )
    pipeline_and_json(show)

    diff = add(
        "diff", "diff", "two commits or two models: what differs",
        examples=["pixd diff training@HEAD~1 training@HEAD --images changes.png"],
    )  # fmt: skip
    diff.add_argument("a", metavar="A", help="training@3, input@HEAD~1, model@1")
    diff.add_argument("b", metavar="B", help="another of the same kind")
    diff.add_argument("--images", metavar="FILE.png", help="draw the differing pictures")
    pipeline_and_json(diff)

    trace = add(
        "trace", "trace", "from an image to all that made it and all that it went into",
        examples=["pixd trace output/x.png", "pixd trace training/017.jpg --all"],
    )  # fmt: skip
    trace.add_argument("thing", metavar="FILE|DIGEST", help="also a renamed copy of an output")
    trace.add_argument(
        "--all", action="store_true", help="every training image and output, not the first ten"
    )
    trace.add_argument("--format", choices=["openlineage", "prov"], help="for other tools")
    trace.add_argument("--json", action="store_true", help="print only JSON")

    why = add(
        "why", "why", "why a file was taken, made, refused or waits; why a run ran",
        examples=["pixd why input/x.jpg", "pixd why run@7"],
    )  # fmt: skip
    why.add_argument("thing", metavar="FILE|RUN", help="a path, a recorded name, or run@7")
    pipeline_and_json(why)

    plan = add("plan", "plan", "what would happen now, with estimates", examples=["pixd plan"])
    pipeline_and_json(plan)

    check = add(
        "check-training", "check_training", "what is wrong with a training set, and what to do",
        examples=["pixd check-training", "pixd check-training scans/ --pairs folders"],
    )  # fmt: skip
    check.add_argument(
        "dir",
        nargs="?",
        metavar="DIR",
        help="a folder; needs no configuration (those of config.yaml)",
    )
    add_folder_settings(check)
    check.add_argument("--all", action="store_true", help="every file, not the first eight")
    pipeline_and_json(check)

    models = add(
        "models", "models", "number, dataset, steps, scores, live; --report of one",
        examples=["pixd models", "pixd models --report live", "pixd models --report 3 -o model-3.html"],
    )  # fmt: skip
    models.add_argument(
        "--report", metavar="MODEL", help="write one HTML file on model@N, N or live, and open it"
    )
    report_options(models, pairs=12)
    pipeline_and_json(models)


def _add_images(add: Add) -> None:
    """Add the commands that use a model without the folders."""
    translate = add(
        "translate", "translate", "translate files at once, beside the service",
        examples=["pixd translate *.jpg -o translated", "pixd translate x.png --model model@2"],
    )  # fmt: skip
    translate.add_argument("files", nargs="+", metavar="FILE", help="images")
    translate.add_argument(
        "-o", dest="out", default="translated", metavar="DIR", help="(translated)"
    )
    translate.add_argument("--model", metavar="MODEL", help="model@N instead of the live one")
    translate.add_argument(
        "--samples", type=int, metavar="N", help="N outputs of each file, with dropout (1..16)"
    )
    pipeline_option(translate)

    export = add(
        "export", "export", "a model for other programs and browsers, with a card",
        examples=["pixd export live model/", "pixd export live page/ --format web"],
    )  # fmt: skip
    export_arguments.add_to(export)
    pipeline_option(export)
    _add_prepare(add)


def _add_prepare(add: Add) -> None:
    """Add the command that makes training sets."""
    prepare = add(
        "prepare", "prepare", "make a training set out of folders of pictures",
        examples=[
            "pixd prepare edges photos training --combine  # outlines and photos, side by side",
            "pixd prepare combine labels photos training --size 512",
        ],
    )  # fmt: skip
    prepare_arguments.add_to(prepare)


def _add_changes(add: Add) -> None:
    """Add the commands that change what is live, recorded or kept."""
    promote = add(
        "promote", "promote", "make a model live and pin it", examples=["pixd promote model@3"]
    )
    promote.add_argument("model", metavar="MODEL@N", help="which")
    pipeline_and_json(promote)

    rollback = add(
        "rollback", "promote", "go back to the model that was live before, and pin it",
        examples=["pixd rollback"],
    )  # fmt: skip
    rollback.add_argument(
        "model", nargs="?", metavar="MODEL@N", help="if another than the one before"
    )
    pipeline_and_json(rollback)

    unpin = add(
        "unpin", "promote", "let newer models replace the live one again", examples=["pixd unpin"]
    )
    pipeline_and_json(unpin)

    training_arguments.add_to(add)

    restore = add(
        "restore", "restore", "write a version back to its folder, or elsewhere",
        examples=["pixd restore training@3", "pixd restore training@HEAD~1 --to as-it-was"],
    )  # fmt: skip
    restore.add_argument("commit", metavar="COMMIT", help="training@3, input@HEAD~1")
    restore.add_argument("--to", metavar="DIR", help="a new folder instead of the watched one")
    restore.add_argument("--yes", action="store_true", help="do not ask")
    pipeline_and_json(restore)

    recall = add(
        "recall", "recall", "take one image out of everything that it touched",
        examples=["pixd recall training/017.jpg  # what would be done", "pixd recall 017.jpg --yes"],
    )  # fmt: skip
    recall.add_argument("file", metavar="FILE", help="a path, a recorded name, or a digest")
    mode = recall.add_mutually_exclusive_group()
    mode.add_argument(
        "--dry-run", action="store_true", help="only say what would be done (default)"
    )
    mode.add_argument("--yes", action="store_true", help="do it")
    mode.add_argument("--proof", action="store_true", help="say what still descends from it")
    mode.add_argument("--undo", action="store_true", help="let it in again")
    pipeline_and_json(recall)

    teach = add(
        "teach", "teach", "make a training pair of an input and its retouched output",
        examples=["pixd teach output/x.png", "pixd teach output/x.png --target better.png"],
    )  # fmt: skip
    teach.add_argument("output", metavar="OUTPUT", help="an output; retouched, unless --target")
    teach.add_argument("--target", metavar="FILE", help="what the output should have been")
    pipeline_and_json(teach)

    retry = add(
        "retry", "retry", "take up refused or failed work again",
        examples=["pixd retry", "pixd retry input/x.jpg"],
    )  # fmt: skip
    retry.add_argument("files", nargs="*", metavar="FILE", help="only these; also refused ones")
    pipeline_and_json(retry)

    verify = add(
        "verify", "verify", "re-hash and re-derive everything that is kept",
        examples=["pixd verify", "pixd verify /backup/store"],
    )  # fmt: skip
    verify.add_argument("store", nargs="?", metavar="STORE", help="a copied store, alone")
    verify.add_argument("--json", action="store_true", help="print only JSON")

    gc = add(
        "gc", "gc", "what bytes could be removed, why, and how much",
        examples=["pixd gc", "pixd gc --apply", "pixd gc --undo"],
    )  # fmt: skip
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


def _add_service(add: Add) -> None:
    """Add the commands that set pixd up on a machine, and in a shell."""
    check = add(
        "check-config", "check_config", "read the configuration and print the effective settings",
        examples=["pixd check-config", "pixd check-config -q && systemctl reload pixd"],
    )  # fmt: skip
    check.add_argument("-q", "--quiet", action="store_true", help="only say whether it is good")

    service = add(
        "service", "service", "install, uninstall or print the systemd units",
        examples=["pixd service install --user", "sudo pixd service install --web"],
    )  # fmt: skip
    service_arguments.add_to(service)

    cluster = add(
        "cluster", "cluster", "make this machine a part of a cluster of Ray",
        examples=["pixd cluster token ray-token", "sudo pixd cluster join 10.0.0.5:6379 --install"],
    )  # fmt: skip
    cluster_arguments.add_to(cluster)

    completions = add(
        "completions", "completions", "print the script that completes pixd's words in a shell",
        examples=["source <(pixd completions bash)  # for good: see docs/shell.md"],
    )  # fmt: skip
    completions.add_argument("shell", choices=["bash", "zsh", "fish"], help="which shell")

    add("man", "man", "print the manual page", examples=["pixd man | man -l -"])
