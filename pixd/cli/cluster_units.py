"""The units of a machine that is a part of a cluster: of its head, and of one that joins it.

As with pixd's other units (`pixd.cli.units`), what is shipped is installed byte for byte, and a drop-in
made here has what differs: where pixd is, and the address. Pure.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pixd.cli.unit_text import View, is_emptied
from pixd.cli.units import (
    INSTALLED,
    SERVICE,
    SYSTEM_FOLDER,
    Installation,
    Unit,
    UnitFile,
    drop_ins_of,
    files_of_machine,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pixd.cluster.member import Part

HEAD = Unit("pixd-head", "cluster head")
WORKER = Unit("pixd-worker", "cluster join")


def unit_of(part: Part) -> Unit:
    """Return the unit of a part of a cluster."""
    return HEAD if part.is_head else WORKER


def user_unit(unit: Unit) -> Unit:
    """Return the unit whose user a unit has: Ray lets no other user than the head's join there."""
    return SERVICE if unit is HEAD else unit


def folder_of(unit: Unit) -> Path:
    """Return the folder for Ray's own files, in the state folder of the unit's user."""
    return user_unit(unit).state_folder / "ray"


def paths(unit: Unit) -> list[Path]:
    """Return every file that is written for a unit and belongs to it alone; the unit is first."""
    drop_ins = drop_ins_of(unit)
    names = ("gpu.conf", "home.conf", INSTALLED)
    own_user = [unit.sysusers_file] if user_unit(unit) is unit else []
    return [SYSTEM_FOLDER / unit.file, *(drop_ins / name for name in names), *own_user]


def files(part: Part, installation: Installation, *, has_gpu: bool) -> list[UnitFile]:
    """Return what makes a unit: the user, the unit, its drop-ins.

    Args:
        part: what the machine is to the cluster.
        installation: where pixd is.
        has_gpu: whether the unit is to use an NVIDIA GPU.

    Raises:
        UsageError: a path cannot be written in a unit.
    """
    unit = unit_of(part)
    views = list(_views(part, installation))
    command = _command(part, installation)
    return files_of_machine(unit, command, views, has_gpu=has_gpu, user=user_unit(unit))


def _command(part: Part, installation: Installation) -> str:
    verb = "head" if part.is_head else "join"
    words = ["cluster", verb, part.address.text, "--token", str(part.token)]
    words += ["--folder", str(folder_of(unit_of(part)))]
    if part.tls is not None:
        words += ["--tls", str(part.tls)]
    for kind, count in (("cpus", part.cpus), ("gpus", part.gpus)):
        if count is not None:
            words += [f"--{kind}", str(count)]
    return f"""\
# Written by `pixd cluster {verb} --install`. Run that again when pixd or
# the head has moved; it replaces this file. What you want otherwise goes into `systemctl edit`.

[Service]
# Emptied first: a second line would be added to the first.
ExecStart=
ExecStart={installation.line(*words)}
"""


def _views(part: Part, installation: Installation) -> Iterator[View]:
    for path, why in ((part.token, "The token."), (part.tls, "The certificates.")):
        if path is not None and is_emptied(path):
            yield View(path, is_writable=False, why=why)
    yield from installation.views()
