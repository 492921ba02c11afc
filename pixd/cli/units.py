"""The systemd units: the files as shipped, and the drop-ins that tie them to one configuration.

There are two: the service, and the page where it is asked for. The shipped files (`systemd/`,
carried by the wheel as `pixd/unit_files`) are installed byte for byte. What is different on each
machine is in a drop-in that is made here: where pixd is, which configuration it reads, and which
folders it may see and write.

Pure, except that it resolves symbolic links. `pixd.cli.commands.service` writes the files and calls
systemd.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from pixd.cli.unit_text import View, is_emptied, quoted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pixd.config import Settings

SYSTEM_FOLDER = Path("/etc/systemd/system")


@dataclass(frozen=True, slots=True)
class Unit:
    """One of pixd's units.

    Attributes:
        name: of the unit, and where it is the machine's, of its user and its folders.
        verb: the command of pixd that it runs.
    """

    name: str
    verb: str

    @property
    def file(self) -> str:
        """The name of its file."""
        return f"{self.name}.service"

    @property
    def sysusers_file(self) -> Path:
        """The file that has systemd-sysusers make its user."""
        return Path("/etc/sysusers.d", f"{self.name}.conf")

    @property
    def state_folder(self) -> Path:
        """What StateDirectory= makes for it, where it is the machine's."""
        return Path("/var/lib", self.name)

    @property
    def runtime_folder(self) -> Path:
        """What RuntimeDirectory= makes for it, where it is the machine's."""
        return Path("/run", self.name)


INSTALLED = "installed.conf"
"""The drop-in that is made here; a unit that somebody copied by hand has none."""
DROP_INS = (INSTALLED, "gpu.conf", "home.conf", "ray.conf")
"""The drop-ins that are ours; any other file there belongs to the administrator."""
RAY_FOLDER = Path("/tmp/ray")  # noqa: S108 - Ray's own choice
SERVICE = Unit("pixd", "run")
PAGE = Unit("pixd-web", "web")


@dataclass(frozen=True, slots=True)
class UnitFile:
    """A file for systemd: where it goes and what it says."""

    path: Path
    text: str


@dataclass(frozen=True, slots=True)
class Installation:
    """Where pixd itself is.

    Attributes:
        command: what starts it, absolute path first: a console script, or Python and ``-m pixd``.
        folders: what this command needs to read: environment, interpreter, package.
    """

    command: tuple[str, ...]
    folders: tuple[Path, ...]

    def line(self, *words: str) -> str:
        """Return a command of pixd with these words, as a unit has it.

        Raises:
            UsageError: a word cannot be written in a unit.
        """
        program, *given = self.command
        # systemd takes the program's own path literally, even a "$" in it.
        every = (quoted(word, is_command=True) for word in (*given, *words))
        return " ".join([quoted(program), *every])

    def views(self) -> Iterator[View]:
        """Yield what a unit of the machine would not see of pixd itself."""
        for folder in self.folders:
            if is_emptied(folder):
                yield View(folder, is_writable=False, why="pixd itself, and the Python it runs on.")


def shipped(name: str) -> str:
    """Return a file of `systemd/`, such as ``pixd.service`` or ``user/pixd.service``."""
    return resources.files("pixd.cli").joinpath("unit_files", *name.split("/")).read_text("utf-8")


def user_of(unit: Unit) -> UnitFile:
    """Return the file that has systemd-sysusers make the user of a unit of the machine."""
    return UnitFile(unit.sysusers_file, shipped(f"{unit.name}.sysusers"))


def system_files(
    unit: Unit, settings: Settings, installation: Installation, *, has_gpu: bool
) -> list[UnitFile]:
    """Return what makes a unit of the machine: the user, the unit, its drop-ins.

    Args:
        unit: which one.
        settings: the checked configuration.
        installation: where pixd is.
        has_gpu: whether pixd is to use an NVIDIA GPU.

    Raises:
        UsageError: a path cannot be written in a unit.
    """
    views = list(_page_views(settings) if unit is PAGE else _service_views(settings))
    views += _common_views(settings, installation)
    # The page too has the GPU: it draws with a translator of its own, on the same device.
    more = _ray_files(unit, settings, drop_ins_of(unit))
    commands = _commands(unit, settings, installation)
    return files_of_machine(unit, commands, views, has_gpu=has_gpu, more=more)


def files_of_machine(
    unit: Unit,
    commands: str,
    views: Sequence[View],
    *,
    has_gpu: bool,
    user: Unit | None = None,
    more: Sequence[UnitFile] = (),
) -> list[UnitFile]:
    """Return what every unit of the machine has: the user, the unit, its drop-ins.

    Args:
        unit: which one.
        commands: the beginning of the drop-in that is made here.
        views: what the unit may see and write.
        has_gpu: whether it is to use an NVIDIA GPU.
        user: the unit whose user it has, if not its own.
        more: further drop-ins.
    """
    drop_ins = drop_ins_of(unit)
    files = [user_of(user or unit), UnitFile(SYSTEM_FOLDER / unit.file, shipped(unit.file))]
    if has_gpu:
        files.append(UnitFile(drop_ins / "gpu.conf", shipped("gpu.conf")))
    if any(view.hides_home for view in views):
        files.append(UnitFile(drop_ins / "home.conf", shipped("home.conf")))
    text = commands + "".join(view.lines() for view in views)
    return [*files, *more, UnitFile(drop_ins / INSTALLED, text)]


def drop_ins_of(unit: Unit, folder: Path = SYSTEM_FOLDER) -> Path:
    """Return the folder with the drop-ins of a unit."""
    return folder / f"{unit.file}.d"


def user_files(
    unit: Unit, settings: Settings, installation: Installation, folder: Path
) -> list[UnitFile]:
    """Return what makes a unit of one person: the unit and its drop-in.

    Args:
        unit: which one.
        settings: the checked configuration.
        installation: where pixd is.
        folder: ``~/.config/systemd/user`` of that person.

    Raises:
        UsageError: a path cannot be written in a unit.
    """
    made = _commands(unit, settings, installation)
    drop_ins = drop_ins_of(unit, folder)
    return [
        UnitFile(folder / unit.file, shipped(f"user/{unit.file}")),
        *_ray_files(unit, settings, drop_ins),
        UnitFile(drop_ins / INSTALLED, made),
    ]


def _ray_files(unit: Unit, settings: Settings, drop_ins: Path) -> list[UnitFile]:
    """Return the drop-in that opens the network, where the service's children need it."""
    if unit is not SERVICE or settings.engine == "local":
        return []
    return [UnitFile(drop_ins / "ray.conf", shipped("ray.conf"))]


def _commands(unit: Unit, settings: Settings, installation: Installation) -> str:
    pixd = installation.line("--config", str(settings.path))
    text = f"""\
# Written by `pixd service install`. Run that again when pixd, its configuration or a folder has
# moved; it replaces this file. What you want otherwise goes into `systemctl edit {unit.name}`.

[Service]
# Emptied first: a second line would be added to the first.
ExecStart=
ExecStart={pixd} {unit.verb}
"""
    if unit is PAGE:  # it looks by itself whether the configuration changed
        return text
    return f"""\
{text}ExecReload=
ExecReload={pixd} check-config --quiet
ExecReload=/bin/kill -HUP $MAINPID
"""


# -- what a unit of the machine may see and write -------------------------------------------


def _service_views(settings: Settings) -> Iterator[View]:
    yield View(settings.store, is_writable=True, why="The store: database, snapshots, models.")
    for pipeline in settings.pipelines:
        for kind in ("training", "input"):
            why = f"{pipeline.name}: {kind}, never written."
            yield View(getattr(pipeline, kind), is_writable=False, why=why)
        yield View(pipeline.output, is_writable=True, why=f"{pipeline.name}: output.")
    if settings.engine == "ray":
        for path, why in ((settings.ray.token, "The token."), (settings.ray.tls, "Certificates.")):
            if path is not None and is_emptied(path):
                yield View(path, is_writable=False, why=f"The cluster: {why}")
        # Ray's sockets, where the node of this machine was started by hand.
        yield View(RAY_FOLDER, is_writable=True, why="The cluster: where Ray keeps its sockets.")
    # Not for the root itself: that would make everything writable. `pixd status` reports it.
    if settings.metrics is not None and settings.metrics.parent != Path("/"):
        # The folder, because the file is made in it and then renamed.
        yield View(settings.metrics.parent, is_writable=True, why="The metrics file.")


def _page_views(settings: Settings) -> Iterator[View]:
    yield View(settings.store, is_writable=False, why="The store, and the service's socket in it.")
    takes = settings.web.uploads
    what = "uploads go here." if takes else "never written, because uploads are off."
    for pipeline in settings.pipelines:
        for kind in ("training", "input"):
            why = f"{pipeline.name}: {kind}, {what}"
            yield View(getattr(pipeline, kind), is_writable=takes, why=why)
        yield View(pipeline.output, is_writable=False, why=f"{pipeline.name}: output.")
    folder = socket_folder(settings)
    if folder is not None and folder != Path("/"):  # not for the root, as above
        yield View(folder, is_writable=True, why="The socket that it listens on.")


def socket_folder(settings: Settings) -> Path | None:
    """Return the folder of the Unix socket that the page listens on.

    None where it listens on none, or in the folder that systemd makes for it.
    """
    if not settings.web.listen.startswith("/"):
        return None
    folder = Path(settings.web.listen).parent
    return None if folder == PAGE.runtime_folder else folder


def _common_views(settings: Settings, installation: Installation) -> Iterator[View]:
    """Yield what both need, where they would not see it; they can read everything else anyway."""
    if is_emptied(settings.path):
        # The folder, because an editor puts another file in the place of the old one.
        yield View(settings.path.parent, is_writable=False, why="The configuration.")
    yield from installation.views()
