"""What the service does, in one line, for `systemctl status`. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pixd.store.heartbeat import Heartbeat, PipelineBeat, Train

_MINUTE_S = 60


def status_line(heartbeat: Heartbeat) -> str:
    """Say in one line what each pipeline does."""
    # What concerns the service as a whole comes first.
    said = [f"blocked, {heartbeat.blocked}" if heartbeat.blocked else "", heartbeat.stale]
    if heartbeat.config:
        said.append(f"the changed configuration is not in force: {heartbeat.config}")
    said += [f"{name}: {_doing(part)}" for name, part in heartbeat.pipelines.items()]
    # A line break would begin another assignment.
    return " ".join("; ".join(text for text in said if text).split())


def _doing(part: PipelineBeat) -> str:
    """Say what wants attention first, then what goes on."""
    train, translate = part.train, part.translate
    for kind in ("training", "input"):
        if held := part.folder(kind).held:
            return f"HOLD, {kind}: {held}"
    if translate.blocked:
        return f"blocked, {translate.blocked}"
    said = []
    if train.state == "failed":
        said.append("training failed, see pixd status")
    elif train.state == "running" and train.steps:
        said.append(f"training, step {train.step} of {train.steps}{_left(train)}")
    elif train.looking and train.state == "idle":
        said.append(train.reason)
    elif train.state != "idle":
        said.append(f"training {train.state}")
    if translate.trouble:
        said.append(f"translator in trouble, {translate.trouble}")
    elif translate.phase:
        said.append(f"translator {translate.phase}")
    return ", ".join(said) or "idle"


def _left(train: Train) -> str:
    if train.eta_seconds is None:
        return ""
    return f", {max(1, round(train.eta_seconds / _MINUTE_S))} min left"
