"""`pixd service`: install, uninstall or print the systemd unit.

It prints each thing that it does. It looks for problems first, and installs nothing where it finds
one; only the missing user and folders are made before, because the search needs them. Data is never
touched: nothing in a folder is read, removed or given to another owner.
"""

from __future__ import annotations

import os
import pwd
import shlex
import shutil
import site
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pixd
from pixd.cli import units
from pixd.cli.configuration import settings_of
from pixd.cli.terminal import warn
from pixd.system import durable
from pixd.system.errors import PixdError, UsageError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence

    from pixd.cli.units import UnitFile
    from pixd.config import Settings

_BOOTED = Path("/run/systemd/system")


def run(args: argparse.Namespace) -> int:
    """Do what `args.action` says."""
    if args.action == "print":
        return _print(args)
    manager = None if args.root else _Manager(is_user=args.user)
    if args.action == "uninstall":
        return _uninstall(args, manager)
    return _install(args, manager)


class _Manager:
    """The systemd that will run the service: the machine's, or this person's."""

    def __init__(self, *, is_user: bool) -> None:
        """Check that it is there and that this user may use it.

        Raises:
            PixdError: it is not there, or this user may not control it.
        """
        program = shutil.which("systemctl")
        # Source: sd_booted(3).
        if program is None or not _BOOTED.is_dir():
            raise PixdError(
                "this machine was not started by systemd, so there is nothing to install into",
                advice="keep `pixd run` alive with what runs services here; "
                "`pixd service print` shows what the unit does",
            )
        if is_user and not Path(os.environ.get("XDG_RUNTIME_DIR", ""), "systemd").is_dir():
            raise PixdError(
                "there is no systemd of your own in this session (XDG_RUNTIME_DIR)",
                advice="log in as yourself rather than by su or sudo; without a login: "
                f"sudo loginctl enable-linger {_me()}; "
                f"export XDG_RUNTIME_DIR=/run/user/{os.getuid()}",
            )
        if not is_user and os.geteuid() != 0:
            raise PixdError(
                "the service of the whole machine is installed by root",
                advice=f"sudo {shlex.join(sys.argv)}; or for yourself alone, add --user",
            )
        self.is_user = is_user
        self._program = program
        self.spoken = "systemctl --user" if is_user else "systemctl"
        self.journal = "journalctl --user -u pixd" if is_user else "journalctl -u pixd"

    def tell(self, *words: str, advice: str) -> None:
        """Print a systemctl command and run it.

        Raises:
            PixdError: it failed; its own message is part of the error's.
        """
        print(f"{self.spoken} {' '.join(words)}", flush=True)
        _call([self._program, *(["--user"] if self.is_user else []), *words], advice=advice)

    def forget_failure(self) -> None:
        """Let systemd forget that the unit failed, if it did, so that no trace is left."""
        words = [self._program, *(["--user"] if self.is_user else []), "reset-failed", units.UNIT]
        subprocess.run(words, capture_output=True, check=False)  # it fails where no unit had failed


def _call(command: Sequence[str], *, advice: str) -> None:
    # No time-out here: systemd has one, which a migration extends.
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        said = " ".join(done.stderr.split()) or f"it ended with {done.returncode}"
        spoken = " ".join([Path(command[0]).name, *command[1:]])
        raise PixdError(f"{spoken}: {said}", advice=advice)


# -- the files ------------------------------------------------------------------------------


def _files(args: argparse.Namespace, settings: Settings) -> list[UnitFile]:
    installation = _installation(is_user=args.user)
    if args.user:
        return units.user_files(settings, installation, _user_folder())
    from pixd.system.machine import has_gpu  # noqa: PLC0415 - `print --user` does without

    with_gpu = settings.device != "cpu" and has_gpu()
    return units.system_files(settings, installation, has_gpu=with_gpu)


def _user_folder() -> Path:
    home = os.environ.get("XDG_CONFIG_HOME", "")
    config = Path(home) if Path(home).is_absolute() else Path.home() / ".config"
    return config / "systemd" / "user"


def _installation(*, is_user: bool) -> units.Installation:
    """Find out where this pixd is.

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
    """Print unit and drop-ins, as `systemctl cat` would; together they are a valid unit."""
    settings = settings_of(args, asks_network=True)
    shown = []
    for file in _files(args, settings):
        if file.path == units.SYSUSERS_FILE:
            warn(f"also {file.path}, which makes the user {units.USER}:\n{file.text}")
        else:
            shown.append(f"# {file.path}\n{file.text}")
    print("\n".join(shown), end="")
    return 0


# -- install --------------------------------------------------------------------------------


def _install(args: argparse.Namespace, manager: _Manager | None) -> int:
    """Write the files, and let systemd start the service.

    Raises:
        ConfigError: the configuration is missing or wrong.
        PixdError: the service could not work, and why; or it did not start.
    """
    settings = settings_of(args, asks_network=True)
    files = _files(args, settings)
    root = Path(args.root or "/")
    if manager and not manager.is_user:
        _make_user(files[0])
        _make_folders(settings)
        problems = list(_problems(settings, _Account.of(units.USER)))
        if problems:
            raise PixdError(
                "\n".join(problem.text for problem in problems),
                advice=f"{problems[0].remedy}, then the same command again; or give up the user "
                f"{units.USER} and its protection: pixd service install --user",
            )
    _write(files, _ours(args, root), root)
    if manager is None:
        print("nothing was started; on that machine: systemd-sysusers, systemctl daemon-reload,")
        print("systemctl enable --now pixd")
        return 0
    manager.tell("daemon-reload", advice="systemctl status says how systemd is")
    manager.tell("enable", units.UNIT, advice=f"{manager.spoken} cat pixd")
    # Restart, so that a second installation takes what has changed.
    manager.tell("restart", units.UNIT, advice=f"{manager.journal} -n 20")
    print(f"pixd runs, and will after the next start of the machine. {manager.spoken} status pixd")
    print(f"and pixd status say how it is; {manager.journal} is its log.")
    if manager.is_user:
        print(f"It ends when you log out, unless: sudo loginctl enable-linger {_me()}")
    else:
        print(f"Outputs belong to the group {units.USER}; to write or remove them yourself:")
        print(f"usermod -aG {units.USER} YOU, or an ACL (docs/service.md).")
    return 0


def _write(files: Sequence[UnitFile], ours: Sequence[Path], root: Path) -> None:
    """Write the files, and remove those of `ours` that are no longer needed.

    Raises:
        PixdError: the disk or a file refuses.
    """
    wanted = {_below(root, file.path): file.text for file in files}
    try:
        for path in ours:
            if path not in wanted:
                path.unlink(missing_ok=True)
        for path, text in wanted.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            durable.write_file(path, text.encode())
            print(f"wrote {path}")
    except OSError as error:
        raise PixdError(
            f"{error.filename or root} cannot be written: {error.strerror}",
            advice="make it writable, or have `pixd service print` and put the files there yourself",
        ) from error


def _make_user(file: UnitFile) -> None:
    """Make the system user, unless there is one, which the administrator may have made."""
    try:
        pwd.getpwnam(units.USER)
    except KeyError:
        program = shutil.which("systemd-sysusers")
        remedy = f"useradd --system --home-dir {units.STATE_FOLDER} {units.USER}"
        if program is None:
            raise PixdError("systemd-sysusers is missing", advice=remedy) from None
        file.path.parent.mkdir(parents=True, exist_ok=True)
        durable.write_file(file.path, file.text.encode())
        _call([program, str(file.path)], advice=remedy)
        print(f"made the user {units.USER}")


class _Account(NamedTuple):
    """The user that the service runs as."""

    name: str
    gid: int
    groups: list[int]

    @classmethod
    def of(cls, name: str) -> _Account:
        entry = pwd.getpwnam(name)
        return cls(name, entry.pw_gid, os.getgrouplist(name, entry.pw_gid))

    def may(self, rights: str, path: Path) -> bool:
        """Ask the kernel in a child that runs as this user: modes, groups, ACLs and mounts count.

        Where the unit makes `path` visible by a bind mount, the folders above it do not count.
        """
        place, cwd = (".", path) if units.is_emptied(path) and path.is_dir() else (path, "/")
        tests = " -a ".join(f"-{right} {{}}" for right in rights).split()
        words = [str(place) if word == "{}" else word for word in tests]
        done = subprocess.run(
            ["/usr/bin/test", *words],
            cwd=cwd,
            user=self.name,
            group=self.gid,
            extra_groups=self.groups,
            check=False,
        )
        return done.returncode == 0


class _Problem(NamedTuple):
    """What the service could not do, and the command that fixes it."""

    text: str
    remedy: str


def _problems(settings: Settings, account: _Account) -> Iterator[_Problem]:
    """Find what would make every start fail."""
    name = account.name
    config = settings.path.parent if units.is_emptied(settings.path) else settings.path
    if not account.may("rx" if config.is_dir() else "r", config):
        yield _Problem(
            f"{name} cannot read the configuration {settings.path}",
            f"put it into /etc/pixd, or: setfacl -m u:{name}:rX {config}",
        )
    for pipeline in settings.pipelines:
        for folder in (pipeline.training, pipeline.input):
            if not account.may("rx", folder):
                yield _Problem(
                    f"{name} cannot read the folder {folder}",
                    f"setfacl -R -m u:{name}:rX,d:u:{name}:rX {folder} (also x for the folders above)",
                )
        if not account.may("rwx", pipeline.output):
            yield _Problem(
                f"{name} cannot write into the folder {pipeline.output}",
                f"setfacl -R -m u:{name}:rwX,d:u:{name}:rwX {pipeline.output}",
            )
    if settings.store.exists() and not account.may("rwx", settings.store):
        yield _Problem(
            f"{name} cannot write into the store {settings.store}",
            f"stop whatever pixd uses it, then: chown -R {name}: {settings.store}",
        )


def _make_folders(settings: Settings) -> None:
    """Make the missing folders, because the service could not: it sees all else read-only.

    Raises:
        PixdError: the disk or a file refuses.
    """
    account = pwd.getpwnam(units.USER)
    wanted = [(p.output, True) for p in settings.pipelines]
    wanted += [(f, False) for p in settings.pipelines for f in (p.training, p.input)]
    if not settings.store.is_relative_to(units.STATE_FOLDER):
        wanted.append((settings.store, True))
    for folder, is_its_own in wanted:
        if folder.exists():
            continue
        try:
            folder.mkdir(parents=True)
            if is_its_own:
                os.chown(folder, account.pw_uid, account.pw_gid)
            else:  # whoever owns the folder above will drop files here
                above = folder.parent.stat()
                os.chown(folder, above.st_uid, above.st_gid)
        except OSError as error:
            raise PixdError(
                f"the folder {folder} cannot be made: {error.strerror}",
                advice="make it by hand, or name another in config.yaml",
            ) from error
        print(f"made {folder}")


# -- uninstall ------------------------------------------------------------------------------


def _uninstall(args: argparse.Namespace, manager: _Manager | None) -> int:
    """Undo what install did to systemd. Data, the system user and other drop-ins stay."""
    root = Path(args.root or "/")
    present = [path for path in _ours(args, root) if path.exists()]
    unit = next((path for path in present if path.name == units.UNIT), None)
    if unit is None:
        raise UsageError("pixd is not installed as a service here", advice=_other_place(args))
    if manager:
        manager.tell("disable", "--now", units.UNIT, advice=f"{manager.journal} -n 20")
        manager.forget_failure()
    for path in present:
        path.unlink()
        print(f"removed {path}")
    drop_ins = unit.with_name(f"{units.UNIT}.d")
    if drop_ins.is_dir():
        left = sorted(path.name for path in drop_ins.iterdir())
        if left:
            print(f"left {drop_ins}, which holds what is yours: {', '.join(left)}")
        else:
            drop_ins.rmdir()
    if manager:
        manager.tell("daemon-reload", advice="systemctl status says how systemd is")
    print("the configuration, the store and all folders are as they were")
    if not args.user:
        print(f"left the user {units.USER}, who owns them; `userdel {units.USER}` removes it")
    return 0


def _ours(args: argparse.Namespace, root: Path) -> list[Path]:
    """Return every file that install may have written."""
    folder = _user_folder() if args.user else units.SYSTEM_FOLDER
    paths = [folder / units.UNIT, *(folder / f"{units.UNIT}.d" / name for name in units.DROP_INS)]
    if not args.user:
        paths.append(units.SYSUSERS_FILE)
    return [_below(root, path) for path in paths]


def _below(root: Path, path: Path) -> Path:
    return root / path.relative_to("/")


def _other_place(args: argparse.Namespace) -> str:
    if args.user:
        return "for the whole machine: sudo pixd service uninstall"
    return "for yourself alone: pixd service uninstall --user"


def _me() -> str:
    from pixd.system.users import user_name  # noqa: PLC0415 - only for advice

    return user_name()
