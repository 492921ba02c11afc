"""What is wrong with a status, worst first, each with the next step. Pure.

*Blocked*: nothing more comes out until somebody does something. *Degraded*: a part failed and the
rest goes on. Each problem has one line that says what is wrong and one that says what to do. All
callers use this module, so that `status` and `wait` agree.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from pixd.answers.page_unit import DOWN
from pixd.store.engine_beat import IDLE, WORKING
from pixd.system import disk

if TYPE_CHECKING:
    from pixd.answers.absence import Absence
    from pixd.answers.page_unit import PageUnit
    from pixd.store.heartbeat import Heartbeat, HeartbeatError

BLOCKED = "blocked"
DEGRADED = "degraded"

_LOOK = "`pixd doctor` says what does not fit (docs/cluster.md)"
SILENT_S = 45.0
"""A heartbeat comes at least every ten seconds. If the last one is this old, the loop is stuck."""
PAGE_WITHIN_S = 60.0
"""When a machine starts, the page comes after the service."""


class Problem(NamedTuple):
    """One thing that is wrong, and what to do about it."""

    state: str
    pipeline: str  # "" for what concerns all of them
    message: str
    advice: str

    def told(self) -> dict[str, str]:
        """Return it as `pixd status --json` has it; the reason names the pipeline too."""
        reason = f"{self.pipeline}: {self.message}" if self.pipeline else self.message
        return {
            "state": self.state,
            "pipeline": self.pipeline,
            "reason": reason,
            "advice": self.advice,
        }


def judge(
    pipelines: Mapping[str, Any],
    live: Heartbeat,
    *,
    pid: int | None,
    silent_s: float,
    not_understood: HeartbeatError | None = None,
    absence: Absence | None = None,
    page: PageUnit | None = None,
    up_s: float = 0.0,
) -> tuple[str, list[Problem]]:
    """Return the state and what is wrong, worst first.

    Args:
        pipelines: as `pixd.answers.status.snapshot` has them.
        live: the last heartbeat, for what concerns the whole service.
        pid: of the service, or None where none runs.
        silent_s: age of its last heartbeat in seconds.
        not_understood: why its last heartbeat cannot be read.
        absence: of the store, where it is not in its place.
        page: the unit that runs the page, where there is one.
        up_s: age of the service in seconds.

    Returns:
        One of ok, degraded, blocked and not-running, and the problems.
    """
    problems = []
    if not_understood and pid is not None:
        problems.append(Problem(DEGRADED, "", not_understood.message, not_understood.advice))
    if absence and absence.reason:
        problems.append(Problem(BLOCKED, "", absence.reason, absence.advice))
    else:
        problems += _problems(pipelines, live, pid=pid, silent_s=silent_s)
    if page and page.state == DOWN and (pid is None or up_s > PAGE_WITHIN_S):
        problems.append(_page_problem(page))
    problems.sort(key=lambda problem: problem.state != BLOCKED)  # stable
    if pid is None:
        return "not-running", problems
    return problems[0].state if problems else "ok", problems


def _problems(
    pipelines: Mapping[str, Any], live: Heartbeat, *, pid: int | None, silent_s: float
) -> Iterator[Problem]:
    if pid is not None and silent_s > SILENT_S:
        yield Problem(
            DEGRADED,
            "",
            f"the service has not stirred for {silent_s:.0f} s",
            f"if it stays so: `systemctl restart pixd`, or `kill -9 {pid}` and `pixd run`; what is"
            " cut off goes on",
        )
    if pid is not None:
        yield from _service_problems(live)
    for name, pipeline in pipelines.items():
        which = f" -p {name}" if len(pipelines) > 1 else ""
        yield from _pipeline_problems(name, pipeline, which)


def _service_problems(live: Heartbeat) -> Iterator[Problem]:
    if live.blocked:
        yield Problem(BLOCKED, "", f"the store: {live.blocked}", _mend_disk(live.blocked))
    yield from _engine_problems(live)
    if live.config:
        yield Problem(
            DEGRADED,
            "",
            "the changed configuration is not in force, and the service goes on with the one before:"
            f" {live.config}",
            "fix it (`pixd check-config` says all), then `systemctl reload pixd` or SIGHUP",
        )
    if live.metrics:
        yield Problem(
            DEGRADED,
            "",
            live.metrics,
            "see that the folder is there and pixd may write it (`pixd service install` again lets"
            " the service); it is tried again by itself",
        )
    if live.web:
        yield Problem(
            DEGRADED,
            "",
            live.web,
            "everything else goes on, and it is started again by itself; `pixd web --port 0` in a"
            " terminal shows what it meets",
        )
    if live.stale:
        yield Problem(
            DEGRADED,
            "",
            live.stale,
            "if it stays so, restart the service; what is cut off goes on",
        )


def _mend_disk(why: str) -> str:
    return f"{disk.advice_for(why)}; it goes on by itself"


def _page_problem(page: PageUnit) -> Problem:
    short, ask = page.name.removesuffix(".service"), page.systemctl
    return Problem(
        DEGRADED,
        "",
        f"the page is down: {page.name} is enabled and does not run",
        f"`{ask} status {short}` says why; `{ask} reset-failed {short}` and `{ask} start {short}`"
        f" start it again; if it is to stay away: `{ask} disable {short}`",
    )


def _engine_problems(live: Heartbeat) -> Iterator[Problem]:
    engine = live.engine
    if engine is None:
        return
    if engine.why:
        yield Problem(
            DEGRADED if engine.falls_back else BLOCKED,
            "",
            f"{engine.why}{'; this machine works meanwhile' * engine.falls_back}",
            f"{engine.mend or _LOOK}; then the work goes on by itself, from the last checkpoint;"
            " files are still recorded",
        )
        return
    states = {node.state for node in engine.nodes.values()}
    do_others_go_on = WORKING in states or (IDLE in states and not engine.waits)
    for why in engine.left_out.values():
        yield Problem(
            DEGRADED if do_others_go_on or not engine.waits else BLOCKED,
            "",
            f"a machine gets no work: {why}",
            f"{'the others go on; ' * do_others_go_on}once that is mended, work that waits goes there"
            " by itself, within 5 minutes",
        )


def _pipeline_problems(name: str, pipeline: Mapping[str, Any], which: str) -> Iterator[Problem]:
    train, translate = pipeline["train"], pipeline["translate"]
    for part, doing in (
        ("training", "recording training"),
        ("input", "recording input"),
        ("train", "training"),
        ("translate", "translating"),
    ):
        if why := pipeline[part].get("blocked"):
            yield Problem(BLOCKED, name, f"{doing}: {why}", _mend_disk(why))
    yield from _folder_problems(name, pipeline, which)
    if train["state"] == "failed":
        run = f"`pixd show run@{train['run']}` has the error; " if train["run"] else ""
        yield Problem(
            DEGRADED,
            name,
            f"training failed: {train['reason']}",
            f"{run}fix it, then `pixd retry{which}`",
        )
    yield from _model_problems(name, pipeline["model"], which)
    if translate.get("trouble"):
        yield Problem(
            DEGRADED,
            name,
            f"the translator fails: {translate['trouble']}",
            f"it is tried again by itself; logs/translate-{name}.log in the store has its last words",
        )
    if left := pipeline["output"]["to_remove"]:
        one = left["files"] == 1
        yield Problem(
            DEGRADED,
            name,
            f"{left['files']} withdrawn output{'s' * (not one)} {'is' if one else 'are'} still in the"
            f" folder, such as {left['name']}: {left['reason']}",
            "let pixd write there, or bring its disk back; it goes on by itself",
        )
    failed = pipeline["input"]["failed"]
    if failed:
        example = pipeline["input"]["failed_example"]
        message = f"{failed} input{'s' * (failed != 1)} failed"
        if example:
            message += f", such as {example['name']}: {example['reason']}"
        yield Problem(DEGRADED, name, message, f"once that is fixed, `pixd retry{which}`")


def _folder_problems(name: str, pipeline: Mapping[str, Any], which: str) -> Iterator[Problem]:
    for kind in ("training", "input", "output"):
        part = pipeline["translate" if kind == "output" else kind]
        if told := part.get("not_answering"):
            yield Problem(
                DEGRADED,
                name,
                f"{kind}: {told}",
                "see that its server can be reached; nothing is lost, and it goes on by itself",
            )
    for kind in ("training", "input"):
        if pipeline[kind]["held"]:
            yield Problem(
                DEGRADED,
                name,
                f"{kind} on hold: {pipeline[kind]['held']}",
                "nothing was removed, and it goes on by itself when the folder is as it was;"
                f" or `pixd resume{which}` takes it as it is",
            )
        if pipeline[kind]["unreadable"]:
            yield Problem(
                DEGRADED,
                name,
                f"{pipeline[kind]['unreadable']} of the {kind} folder cannot be read",
                "`pixd why FILE` says why; it is tried again by itself",
            )


def _model_problems(name: str, model: Mapping[str, Any] | None, which: str) -> Iterator[Problem]:
    """Say that the live model is doubtful, unless a person pinned it: that person has looked."""
    if model and model["doubts"] and not model["pinned"]:
        yield Problem(
            DEGRADED,
            name,
            f"model@{model['number']} is doubtful: {model['doubts']}",
            f"look at `pixd models --report {model['number']}{which}`: are the pairs matched, was it"
            f" trained long enough? `pixd promote model@{model['number']}{which}` keeps it as it is",
        )
