"""`pixd service`: install, uninstall or print the systemd units, of the service and of the page.

It prints each thing that it does. It looks for problems first, and installs nothing where it finds
one; only the missing users and folders are made before, because the search needs them. Data is
never touched: nothing in a folder is read, removed or given to another owner.
"""

from __future__ import annotations

import os
import shlex
import site
import sys
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING

import pixd
from pixd.cli import permissions, units
from pixd.cli.commands.web import check_installed
from pixd.cli.configuration import settings_of
from pixd.cli.systemctl import Systemctl, me
from pixd.cli.terminal import warn
from pixd.cli.units import PAGE, SERVICE
from pixd.system import durable
from pixd.system.errors import PixdError, UsageError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from pixd.cli.units import Unit, UnitFile
    from pixd.config import Settings

_SOCKET = "pixd-web.socket"  # never ours: docs/web.md says how to copy it


def run(args: argparse.Namespace) -> int:
    """Do what `args.action` says."""
    if args.action == "print":
        return _print(args)
    systemctl = None if args.root else Systemctl(is_user=args.user)
    if args.action == "uninstall":
        return _uninstall(args, systemctl)
    return _install(args, systemctl)


# -- the files ------------------------------------------------------------------------------


def _wanted(args: argparse.Namespace, settings: Settings) -> list[Unit]:
    return [SERVICE, PAGE] if args.web or settings.web.start else [SERVICE]


def _files(args: argparse.Namespace, settings: Settings, unit: Unit) -> list[UnitFile]:
    here = installation(is_user=args.user)
    if args.user:
        return units.user_files(unit, settings, here, _user_folder())
    from pixd.system.machine import has_gpu  # noqa: PLC0415 - `print --user` does without

    with_gpu = settings.device != "cpu" and has_gpu()
    return units.system_files(unit, settings, here, has_gpu=with_gpu)


def _ours(args: argparse.Namespace, unit: Unit) -> list[Path]:
    """Return every file that install may have written for a unit, below `--root`; the unit is first."""
    return [below(args, path) for path in _paths(args, unit)]


def _paths(args: argparse.Namespace, unit: Unit) -> list[Path]:
    folder = _user_folder() if args.user else units.SYSTEM_FOLDER
    paths = [
        folder / unit.file,
        *(units.drop_ins_of(unit, folder) / name for name in units.DROP_INS),
    ]
    if not args.user:
        paths.append(unit.sysusers_file)
    return paths


def _is_installed(args: argparse.Namespace, unit: Unit) -> bool:
    """Tell whether install wrote a unit. A page's unit may also have been copied by hand."""
    there = _ours(args, unit)[0]
    made_here = there.with_name(f"{unit.file}.d") / units.INSTALLED
    return there.exists() and (unit is SERVICE or made_here.exists())


def below(args: argparse.Namespace, path: Path) -> Path:
    """Return where a file goes, which is below `--root` if that is given."""
    return Path(args.root or "/") / path.relative_to("/")


def _user_folder() -> Path:
    home = os.environ.get("XDG_CONFIG_HOME", "")
    config = Path(home) if Path(home).is_absolute() else Path.home() / ".config"
    return config / "systemd" / "user"


def installation(*, is_user: bool) -> units.Installation:
    """Return where this pixd is.

    Raises:
        PixdError: a service of the machine could not find it there.
    """
    package = Path(pixd.__file__).parent
    if not is_user and site.ENABLE_USER_SITE and package.is_relative_to(site.getusersitepackages()):
        raise PixdError(
            f"this pixd was installed for you alone, in {package}; a system user cannot import it",
            advice="python3 -m venv /opt/pixd && /opt/pixd/bin/pip install pixd, then use "
            "/opt/pixd/bin/pixd; or for yourself alone: pixd service install --user",
        )
    script = Path(sysconfig.get_path("scripts"), "pixd")
    command = (str(script),) if os.access(script, os.X_OK) else (sys.executable, "-m", "pixd")
    prefix, base = Path(sys.prefix), Path(sys.base_prefix)
    folders = dict.fromkeys([prefix, base, Path(os.path.realpath(base))])
    if not package.is_relative_to(prefix):  # an editable installation
        folders[package] = None
    return units.Installation(command=command, folders=tuple(folders))


def _print(args: argparse.Namespace) -> int:
    """Print units and drop-ins, as `systemctl cat` would; those of one are a valid unit."""
    settings = settings_of(args, asks_network=True)
    shown = []
    for unit in _wanted(args, settings):
        for file in _files(args, settings, unit):
            if file.path == unit.sysusers_file:
                warn(f"also {file.path}, which makes the user {unit.name}:\n{file.text}")
            else:
                shown.append(f"# {file.path}\n{file.text}")
    print("\n".join(shown), end="")
    return 0


# -- install --------------------------------------------------------------------------------


def _install(args: argparse.Namespace, systemctl: Systemctl | None) -> int:
    """Write the files, and let systemd start what they are for.

    Raises:
        ConfigError: the configuration is missing or wrong.
        PixdError: a unit could not work, and why; or it did not start.
    """
    settings = settings_of(args, asks_network=True)
    wanted = _wanted(args, settings)
    if PAGE in wanted:
        check_installed()
    files = {unit: _files(args, settings, unit) for unit in wanted}
    if systemctl and not systemctl.is_user:
        _prepare(settings, wanted)
    if PAGE not in wanted and _is_installed(args, PAGE):
        print(f"{settings.path} asks for no page (web: true, or --web)")
        _remove(args, PAGE, systemctl)
    for unit in wanted:
        write_files(args, _paths(args, unit), files[unit])
    if systemctl is None:
        print("nothing was started; on that machine: systemd-sysusers, systemctl daemon-reload,")
        print(f"systemctl enable --now {' '.join(unit.name for unit in wanted)}")
        return 0
    systemctl.reload()
    for unit in wanted:
        systemctl.start(unit)
    _say_how_to_go_on(settings, wanted, systemctl)
    return 0


def _prepare(settings: Settings, wanted: Sequence[Unit]) -> None:
    """Make users and folders, and look whether the units could work.

    Raises:
        PixdError: one could not.
    """
    for unit in wanted:
        permissions.make_user(unit)
    permissions.make_folders(settings, has_page=PAGE in wanted)
    problems = list(permissions.service_problems(settings))
    if PAGE in wanted:
        problems += permissions.page_problems(settings)
    if problems:
        raise PixdError(
            "\n".join(problem.text for problem in problems),
            advice=f"{problems[0].remedy}, then the same command again; or give up the user "
            f"{SERVICE.name} and its protection: pixd service install --user",
        )


def write_files(args: argparse.Namespace, ours: Sequence[Path], files: Sequence[UnitFile]) -> None:
    """Write the files of a unit, and remove those of ours that are no longer needed.

    Args:
        args: of the command, whose `--root` counts.
        ours: every file that may have been written for the unit, without `--root`.
        files: those that are wanted.

    Raises:
        PixdError: the disk or a file refuses.
    """
    wanted = {below(args, file.path): file.text for file in files}
    try:
        for path in (below(args, one) for one in ours):
            if path not in wanted:
                path.unlink(missing_ok=True)
        for path, text in wanted.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            durable.write_file(path, text.encode())
            print(f"wrote {path}")
    except OSError as error:
        raise PixdError(
            f"{error.filename or args.root} cannot be written: {error.strerror}",
            advice="make it writable, or have `pixd service print` and put the files there yourself",
        ) from error


def _say_how_to_go_on(settings: Settings, wanted: Sequence[Unit], systemctl: Systemctl) -> None:
    print(
        f"pixd runs, and will after the next start of the machine. {systemctl.spoken} status pixd"
    )
    print(f"and pixd status say how it is; {systemctl.journal(SERVICE)} is its log.")
    if systemctl.is_user:
        print(f"It ends when you log out, unless: sudo loginctl enable-linger {me()}")
    else:
        print(f"Outputs belong to the group {SERVICE.name}; to write or remove them yourself:")
        print(f"usermod -aG {SERVICE.name} YOU, or an ACL (docs/service.md).")
    if PAGE in wanted:
        sudo = [] if systemctl.is_user else ["sudo"]
        pixd_here = installation(is_user=systemctl.is_user).command
        link = [*sudo, *pixd_here, "--config", str(settings.path), "web", "--link"]
        print("The page is up. Its address, with the token in it, says:")
        print(shlex.join(link))


# -- uninstall ------------------------------------------------------------------------------


def _uninstall(args: argparse.Namespace, systemctl: Systemctl | None) -> int:
    """Undo what install did to systemd. Data, the system users and other drop-ins stay."""
    present = [unit for unit in (PAGE, SERVICE) if _is_installed(args, unit)]
    if not present:
        raise UsageError("pixd is not installed as a service here", advice=_other_place(args))
    for unit in present:
        _remove(args, unit, systemctl)
    if systemctl:
        systemctl.reload()
    print("the configuration, the store and all folders are as they were")
    if not args.user:
        print(f"left the user {SERVICE.name}, who owns them; `userdel {SERVICE.name}` removes it")
    if not args.user and PAGE in present:
        print(f"left the user {PAGE.name} too, with its tokens in {PAGE.state_folder}")
    return 0


def _remove(args: argparse.Namespace, unit: Unit, systemctl: Systemctl | None) -> None:
    """Stop a unit and remove its files; what an administrator added stays and is named."""
    ours = _ours(args, unit)
    remove_files(unit, ours, systemctl)
    socket = ours[0].with_name(_SOCKET)
    if unit is PAGE and socket.exists():
        print(f"left {socket}, which is yours: systemctl disable --now {_SOCKET}")


def remove_files(unit: Unit, ours: Sequence[Path], systemctl: Systemctl | None) -> None:
    """Stop a unit and remove those of our files that are there; the unit's own is the first."""
    if systemctl:
        systemctl.stop(unit)
    for path in ours:
        if path.exists():
            path.unlink()
            print(f"removed {path}")
    drop_ins = ours[0].with_name(f"{unit.file}.d")
    if drop_ins.is_dir():
        left = sorted(path.name for path in drop_ins.iterdir())
        if left:
            print(f"left {drop_ins}, which holds what is yours: {', '.join(left)}")
        else:
            drop_ins.rmdir()


def _other_place(args: argparse.Namespace) -> str:
    if args.user:
        return "for the whole machine: sudo pixd service uninstall"
    return "for yourself alone: pixd service uninstall --user"
