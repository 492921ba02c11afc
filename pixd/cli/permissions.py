"""What the users of the machine's units may do: they are made, and the kernel is asked.

Missing folders are made too, because the asking needs them. No other file or folder is changed:
its owner decides who may use it, and is told the command.
"""

from __future__ import annotations

import os
import pwd
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pixd.cli.systemctl import call
from pixd.cli.unit_text import is_emptied
from pixd.cli.units import PAGE, SERVICE, socket_folder, user_of
from pixd.system import durable
from pixd.system.errors import PixdError
from pixd.system.users import user_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pixd.cli.units import Unit
    from pixd.config import Settings

_FOR_ITS_GROUP = 0o2070  # and what is made below belongs to that group too


class Problem(NamedTuple):
    """What a unit could not do, and the command that fixes it."""

    text: str
    remedy: str


def make_user(unit: Unit) -> None:
    """Make the system user, unless there is one, which the administrator may have made.

    Raises:
        PixdError: systemd-sysusers is missing or refuses.
    """
    try:
        pwd.getpwnam(unit.name)
    except KeyError:
        program = shutil.which("systemd-sysusers")
        group = f" --groups {SERVICE.name}" if unit is PAGE else ""
        remedy = f"useradd --system --home-dir {unit.state_folder}{group} {unit.name}"
        if program is None:
            raise PixdError("systemd-sysusers is missing", advice=remedy) from None
        file = user_of(unit)
        file.path.parent.mkdir(parents=True, exist_ok=True)
        durable.write_file(file.path, file.text.encode())
        call([program, str(file.path)], advice=remedy)
        print(f"made the user {unit.name}")


def make_folders(settings: Settings, *, has_page: bool) -> None:
    """Make the missing folders, because the service could not: it sees all else read-only.

    Args:
        settings: the checked configuration.
        has_page: whether the page is installed too, which uploads into some of them.

    Raises:
        PixdError: the disk or a file refuses.
    """
    account = pwd.getpwnam(SERVICE.name)
    page_gid = pwd.getpwnam(PAGE.name).pw_gid if has_page and settings.web.uploads else None
    wanted = [(p.output, True) for p in settings.pipelines]
    wanted += [(f, False) for p in settings.pipelines for f in (p.training, p.input)]
    if not settings.store.is_relative_to(SERVICE.state_folder):
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
                os.chown(folder, above.st_uid, above.st_gid if page_gid is None else page_gid)
                if page_gid is not None:  # and so will the page
                    folder.chmod(folder.stat().st_mode | _FOR_ITS_GROUP)
        except OSError as error:
            raise PixdError(
                f"the folder {folder} cannot be made: {error.strerror}",
                advice="make it by hand, or name another in config.yaml",
            ) from error
        print(f"made {folder}")


def service_problems(settings: Settings) -> Iterator[Problem]:
    """Find what would make every start of the service fail."""
    account = _Account.of(SERVICE)
    name = account.name
    yield from _config_problems(settings, account)
    for pipeline in settings.pipelines:
        for folder in (pipeline.training, pipeline.input):
            if not account.may("rx", folder):
                yield Problem(
                    f"{name} cannot read the folder {folder}",
                    f"setfacl -R -m u:{name}:rX,d:u:{name}:rX {folder} (also x for the folders above)",
                )
        if not account.may("rwx", pipeline.output):
            yield Problem(
                f"{name} cannot write into the folder {pipeline.output}",
                f"setfacl -R -m u:{name}:rwX,d:u:{name}:rwX {pipeline.output}",
            )
    token = settings.ray.token
    if settings.engine == "ray" and token is not None and not account.may("r", token):
        yield Problem(f"{name} cannot read the token {token}", f"chown {name}: {token}")
    if settings.store.exists() and not account.may("rwx", settings.store):
        yield Problem(
            f"{name} cannot write into the store {settings.store}",
            f"stop whatever pixd uses it, then: chown -R {name}: {settings.store}",
        )


def page_problems(settings: Settings) -> Iterator[Problem]:
    """Find what the page could not read, and where uploads could not go."""
    account = _Account.of(PAGE)
    name = account.name
    yield from _config_problems(settings, account)
    if settings.store.exists() and not account.may("rx", settings.store):
        yield Problem(
            f"{name} cannot read the store {settings.store}",
            f"chgrp -R {SERVICE.name} {settings.store}; chmod -R g+rX {settings.store} "
            "(also x for the folders above)",
        )
    if settings.web.uploads:
        yield from _upload_problems(settings, account)
    folder = socket_folder(settings)
    if folder is not None and not account.may("wx", folder):
        yield Problem(
            f"{name} cannot make its socket in {folder}",
            f"in config.yaml: web: {{listen: {PAGE.runtime_folder}/page.sock}}",
        )


def _upload_problems(settings: Settings, account: _Account) -> Iterator[Problem]:
    """Find the folders that uploads could not go to: one problem, and command, for each owner."""
    refused: dict[str, list[Path]] = {}
    for pipeline in settings.pipelines:
        for folder in (pipeline.training, pipeline.input):
            if not account.may("rwx", folder):
                refused.setdefault(_owner(folder), []).append(folder)
    for owner, folders in refused.items():
        name = account.name
        # What it puts there is its own: the service must read it, and the owner may change it.
        rights = f"u:{name}:rwX,d:u:{name}:rwX,d:u:{SERVICE.name}:rX"
        if owner not in {"root", name, SERVICE.name}:
            rights += f",d:u:{owner}:rwX"
        yield Problem(
            "\n".join(
                f"{name} cannot write into the folder {one}, where uploads go" for one in folders
            ),
            f"setfacl -R -m {rights} {shlex.join(map(str, folders))} (also x for the folders"
            " above); or in config.yaml: web: {uploads: false}",
        )


def _owner(folder: Path) -> str:
    try:
        return user_name(folder.stat().st_uid)
    except OSError:
        return user_name(0)


def _config_problems(settings: Settings, account: _Account) -> Iterator[Problem]:
    config = settings.path.parent if is_emptied(settings.path) else settings.path
    if not account.may("rx" if config.is_dir() else "r", config):
        yield Problem(
            f"{account.name} cannot read the configuration {settings.path}",
            f"put it into /etc/pixd, or: setfacl -m u:{account.name}:rX {config}",
        )


class _Account(NamedTuple):
    """The user that a unit runs as."""

    name: str
    gid: int
    groups: list[int]

    @classmethod
    def of(cls, unit: Unit) -> _Account:
        entry = pwd.getpwnam(unit.name)
        groups = set(os.getgrouplist(unit.name, entry.pw_gid))
        if unit is PAGE:  # SupplementaryGroups=, also where the administrator made the user
            groups.add(pwd.getpwnam(SERVICE.name).pw_gid)
        return cls(unit.name, entry.pw_gid, sorted(groups))

    def may(self, rights: str, path: Path) -> bool:
        """Ask the kernel in a child that runs as this user: modes, groups, ACLs and mounts count.

        Where the unit makes `path` visible by a bind mount, the folders above it do not count.
        """
        place, cwd = (".", path) if is_emptied(path) and path.is_dir() else (path, "/")
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
