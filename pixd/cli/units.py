"""The systemd units: the files as shipped, and the drop-in that ties them to one configuration.

The shipped files (`systemd/`, carried by the wheel as `pixd/unit_files`) are installed byte for
byte. What is different on each machine is in a drop-in that is made here: where pixd is, which
configuration it reads, and which folders it may see and write.

Pure, except that it resolves symbolic links. `pixd.cli.commands.service` writes the files and calls
systemd.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from pixd.system import mounts
from pixd.system.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pixd.config import Settings

UNIT = "pixd.service"
USER = "pixd"
SYSTEM_FOLDER = Path("/etc/systemd/system")
SYSUSERS_FILE = Path("/etc/sysusers.d/pixd.conf")
STATE_FOLDER = Path("/var/lib/pixd")
DROP_INS = ("installed.conf", "gpu.conf", "home.conf")
"""The drop-ins that are ours; any other file there belongs to the administrator."""

_HOMES = tuple(Path(p) for p in ("/home", "/root", "/run/user"))  # emptied by ProtectHome=
_EMPTIED = (*_HOMES, Path("/tmp"), Path("/var/tmp"))  # noqa: S108 - emptied by PrivateTmp=


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


def shipped(name: str) -> str:
    """Return a file of `systemd/`, such as ``pixd.service`` or ``user/pixd.service``."""
    return resources.files("pixd.cli").joinpath("unit_files", *name.split("/")).read_text("utf-8")


def system_files(
    settings: Settings, installation: Installation, *, has_gpu: bool
) -> list[UnitFile]:
    """Return what makes the system service: the user, the unit, its drop-ins.

    Args:
        settings: the checked configuration.
        installation: where pixd is.
        has_gpu: whether it is to use an NVIDIA GPU.

    Raises:
        UsageError: a path cannot be written in a unit.
    """
    drop_ins = SYSTEM_FOLDER / f"{UNIT}.d"
    views = list(_views(settings, installation))
    files = [
        UnitFile(SYSUSERS_FILE, shipped("pixd.sysusers")),
        UnitFile(SYSTEM_FOLDER / UNIT, shipped(UNIT)),
    ]
    if has_gpu:
        files.append(UnitFile(drop_ins / "gpu.conf", shipped("gpu.conf")))
    if any(view.hides_home for view in views):
        files.append(UnitFile(drop_ins / "home.conf", shipped("home.conf")))
    text = _commands(settings, installation) + "".join(view.lines() for view in views)
    files.append(UnitFile(drop_ins / "installed.conf", text))
    return files


def user_files(settings: Settings, installation: Installation, folder: Path) -> list[UnitFile]:
    """Return what makes the service of one person: the unit and its drop-in.

    Args:
        settings: the checked configuration.
        installation: where pixd is.
        folder: ``~/.config/systemd/user`` of that person.

    Raises:
        UsageError: a path cannot be written in a unit.
    """
    return [
        UnitFile(folder / UNIT, shipped(f"user/{UNIT}")),
        UnitFile(folder / f"{UNIT}.d" / "installed.conf", _commands(settings, installation)),
    ]


def is_emptied(path: Path) -> bool:
    """Tell whether the system service sees `path` only where it is bound into its view."""
    return _is_in(Path(mounts.find(path).path), _EMPTIED) or _is_in(path, _EMPTIED)


def _commands(settings: Settings, installation: Installation) -> str:
    program, *words = installation.command
    words += ["--config", str(settings.path)]
    # systemd takes the program's own path literally, even a "$" in it.
    pixd = " ".join([quoted(program), *(quoted(word, is_command=True) for word in words)])
    return f"""\
# Written by `pixd service install`. Run that again when pixd, its configuration or a folder has
# moved; it replaces this file. What you want otherwise goes into `systemctl edit pixd`.

[Service]
# Emptied first: a second line would be added to the first.
ExecStart=
ExecStart={pixd} run
ExecReload=
ExecReload={pixd} check-config --quiet
ExecReload=/bin/kill -HUP $MAINPID
"""


@dataclass(frozen=True, slots=True)
class _View:
    """One folder as the service sees it."""

    path: Path
    is_writable: bool
    why: str

    @property
    def hides_home(self) -> bool:
        return _is_in(self.path, _HOMES) or _is_in(self._real, _HOMES)

    @property
    def _real(self) -> Path:
        return Path(mounts.find(self.path).path)

    def lines(self) -> str:
        """Return the setting that gives the service this view, below a comment with its reason.

        The "-" is for missing folders: pixd reports them in words, but without it systemd would
        end the start with status=226/NAMESPACE.
        """
        text = f"# {self.why}\n"
        if _is_in(self.path, _EMPTIED):
            # Mounted where the configuration says, from where it really is.
            places = [f"-{self._real}"] + [str(self.path)] * (self._real != self.path)
        elif _is_in(self._real, _EMPTIED):
            places = [f"-{self._real}"]  # a link from outside leads there
        else:
            name = "ReadWritePaths" if self.is_writable else "ReadOnlyPaths"
            return f"{text}{name}={quoted(f'-{self.path}')}\n"
        name = "BindPaths" if self.is_writable else "BindReadOnlyPaths"
        return f"{text}{name}={':'.join(quoted(place) for place in places)}\n"


def _views(settings: Settings, installation: Installation) -> Iterator[_View]:
    yield _View(settings.store, is_writable=True, why="The store: database, snapshots, models.")
    for pipeline in settings.pipelines:
        for kind in ("training", "input"):
            why = f"{pipeline.name}: {kind}, never written."
            yield _View(getattr(pipeline, kind), is_writable=False, why=why)
        yield _View(pipeline.output, is_writable=True, why=f"{pipeline.name}: output.")
    # Not for the root itself: that would make everything writable. `pixd status` reports it.
    if settings.metrics is not None and settings.metrics.parent != Path("/"):
        # The folder, because the file is made in it and then renamed.
        yield _View(settings.metrics.parent, is_writable=True, why="The metrics file.")
    # Only where the service would not see them; it can read everything else anyway.
    if is_emptied(settings.path):
        # The folder, because an editor puts another file in the place of the old one.
        yield _View(settings.path.parent, is_writable=False, why="The configuration.")
    for folder in installation.folders:
        if is_emptied(folder):
            yield _View(folder, is_writable=False, why="pixd itself, and the Python it runs on.")


def quoted(word: str, *, is_command: bool = False) -> str:
    """Write a word of a unit file so that systemd reads exactly it.

    Args:
        word: the text that is meant.
        is_command: whether it is for an Exec line, where "$" names a variable.

    Raises:
        UsageError: it holds a line break or another control character.

    Source: systemd.syntax(7) "Quoting", systemd.unit(5) "Specifiers", systemd.service(5)
        "Command lines".
    """
    if not word.isprintable():
        raise UsageError(
            f"{word!a} cannot be written in a systemd unit",
            advice="rename the folder without line breaks and control characters",
        )
    text = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    if is_command:
        text = text.replace("$", "$$")
    is_plain = all(c.isalnum() or c in "/._-+@=,%$" for c in word)
    return text if is_plain else f'"{text}"'


def _is_in(path: Path, folders: Sequence[Path]) -> bool:
    return any(path.is_relative_to(folder) for folder in folders)
