"""`pixd run`: the service in the foreground, with one line for each event."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pixd.cli.configuration import settings_of
from pixd.cli.terminal import Progress, bar
from pixd.service.logs import Log
from pixd.store.events import Event, Level
from pixd.system.clock import utc_now
from pixd.system.errors import PixdError
from pixd.system.wording import duration

if TYPE_CHECKING:
    import argparse

    from pixd.service.loop import Service


def run(args: argparse.Namespace) -> int:
    """Run until a signal, or with --once until nothing is due."""
    progress = Progress()
    log = Log(args.log_format, before=progress.clear)
    try:
        return _serve(args, log, progress)
    except PixdError as error:
        if log.form == "text":
            raise
        advice = f"; try: {error.advice}" if error.advice else ""
        log(_about_service("error", error.message + advice))
        return error.exit_code


def _serve(args: argparse.Namespace, log: Log, progress: Progress) -> int:
    settings = settings_of(args, asks_network=True)
    from pixd.service.serving import Server  # noqa: PLC0415 - only this command pays for it

    if args.web:
        from pixd.cli.commands import web  # noqa: PLC0415 - as above

        web.check_installed()
    server = Server(
        settings, log, is_asked_anew=args.new_store, is_page_asked=args.web and not args.once
    )
    try:
        return server.run(once=args.once, tick=lambda s: progress.show(_doing(s)))
    finally:
        if server.has_begun:
            log(_about_service("info", "stopped"))


def _about_service(level: Level, message: str) -> Event:
    return Event(utc_now(), level, "", "service", "", message)


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
