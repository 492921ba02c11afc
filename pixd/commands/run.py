"""`pixd run`: the service in the foreground, one line an event."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from pixd.commands import Progress, bar, settings_of
from pixd.status_text import duration

if TYPE_CHECKING:
    import argparse

    from pixd.service import Service

# Under systemd each line carries its priority (sd-daemon(3)); on a terminal, a time.
_PRIORITY = {"info": "<6>", "warning": "<4>", "error": "<3>"}


def run(args: argparse.Namespace) -> int:
    """Run until a signal, or with --once until nothing is due."""
    import os  # noqa: PLC0415 - only for the journal

    settings = settings_of(args)
    from pixd.service import Service  # noqa: PLC0415 - only this command pays for it

    progress = Progress()
    has_journal = "JOURNAL_STREAM" in os.environ and not sys.stderr.isatty()

    def say(pipeline: str, level: str, message: str) -> None:
        progress.clear()
        where = f"{pipeline}: " if pipeline else ""
        mark = "" if level == "info" else f"{level}: "
        head = _PRIORITY[level] if has_journal else time.strftime("%H:%M:%S ")
        print(f"{head}{where}{mark}{message}", file=sys.stderr, flush=True)

    service = Service(settings, say)
    names = ", ".join(p.name for p in settings.pipelines)
    say("", "info", f"pixd serves {names} from {settings.path}; Ctrl-C stops it")
    try:
        return service.run(once=args.once, tick=lambda s: progress.show(_doing(s)))
    finally:
        progress.clear()
        say("", "info", "stopped")


def _doing(service: Service) -> str:
    for pipeline in service.pipelines:
        name = pipeline.settings.name
        run = pipeline.training.run
        if run and run.progress.get("steps"):
            step, steps = int(run.progress["step"]), int(run.progress["steps"])
            eta = run.progress.get("eta_s")
            left = f", {duration(eta)} left" if eta is not None else ""
            rate = run.progress.get("images_per_second") or 0.0
            return f"{name}: {bar(step, steps)} step {step} of {steps}, {rate:.1f} images/s{left}"
        if run:
            return f"{name}: training, {run.phase}"
        if pipeline.translation.phase:
            return f"{name}: the translator is {pipeline.translation.phase}"
        if pipeline.training.state == "waiting":
            return f"{name}: {pipeline.training.reason}"
    return "idle; drop files in, or ask `pixd status`"
