"""`pixd cluster`: make this machine a part of a cluster of Ray, in this terminal or by a unit.

With `--install` it prints each thing that it does, and looks first whether the unit could work.
"""

from __future__ import annotations

import os
import pwd
from pathlib import Path
from typing import TYPE_CHECKING

from pixd.cli import cluster_units, permissions
from pixd.cli.commands.service import below, installation, remove_files, write_files
from pixd.cli.systemctl import Systemctl
from pixd.cluster import member
from pixd.cluster.member import Part
from pixd.system import host_port
from pixd.system.errors import PixdError, UsageError

if TYPE_CHECKING:
    import argparse

    from pixd.cli.units import Unit


def run(args: argparse.Namespace) -> int:
    """Do what `args.action` says. To be a head or to join one, this process becomes Ray's."""
    if args.action == "token":
        return _make_token(args)
    if args.action == "uninstall":
        return _uninstall(args)
    part = _part(args)
    if args.install or args.root:
        return _install(args, part)
    member.become(part)
    return 0


def _make_token(args: argparse.Namespace) -> int:
    path = Path(args.where or args.token)
    try:
        member.make_token(path)
    except OSError as error:
        advice = "every machine needs the same file; to begin anew, remove it first"
        if not isinstance(error, FileExistsError):
            advice = "name a file in a folder that you may write"
        raise PixdError(f"{path} cannot be made: {error.strerror}", advice=advice) from error
    print(f"wrote {path}, which only its owner reads. Every machine needs the same file:")
    print(f"scp -p {path} OTHER-MACHINE:{path.absolute()}")
    return 0


def _part(args: argparse.Namespace) -> Part:
    if not args.where:
        what = "this machine's address" if args.action == "head" else "the address of the head"
        raise UsageError(f"{what} is missing", advice=f"pixd cluster {args.action} 10.0.0.5:6379")
    address = host_port.split(str(args.where), port=member.PORT)
    if address is None or not address.port:
        advice = "such as 10.0.0.5:6379 or [fd00::5]:6379"
        raise UsageError(f"{args.where} is no address", advice=advice)
    if min(args.cpus or 0, args.gpus or 0) < 0:
        raise UsageError("--cpus and --gpus are 0 or more", advice=f"pixd {args.action} --help")
    return Part(
        is_head=args.action == "head",
        address=address,
        token=Path(args.token).absolute(),
        tls=Path(args.tls).absolute() if args.tls else None,
        cpus=args.cpus,
        gpus=args.gpus,
        folder=Path(args.folder).absolute() if args.folder else None,
    )


# -- the unit -------------------------------------------------------------------------------


def _install(args: argparse.Namespace, part: Part) -> int:
    """Write the unit's files, and have systemd start it.

    Raises:
        PixdError: it could not work, and why; or it did not start.
    """
    from pixd.system.machine import has_gpu  # noqa: PLC0415 - only here

    systemctl = None if args.root else Systemctl(is_user=False)
    unit = cluster_units.unit_of(part)
    with_gpu = part.gpus != 0 and has_gpu() and not part.is_head
    files = cluster_units.files(part, installation(is_user=False), has_gpu=with_gpu)
    if systemctl is not None:
        permissions.make_user(cluster_units.user_unit(unit))
        _give_token(part.token, cluster_units.user_unit(unit))
    write_files(args, cluster_units.paths(unit), files)
    if systemctl is None:
        print("nothing was started; on that machine: systemd-sysusers, systemctl daemon-reload,")
        print(f"systemctl enable --now {unit.name}; {part.token} must belong to its user")
        return 0
    systemctl.reload()
    systemctl.start(unit)
    print(
        f"This machine is a part of the cluster at {part.address.text}, and will be after the next"
    )
    print(
        f"start. {systemctl.spoken} status {unit.name} and {systemctl.journal(unit)} say how it is."
    )
    return 0


def _give_token(token: Path, unit: Unit) -> None:
    """Give the token to the unit's user where it is root's: nobody else reads it.

    Raises:
        PixdError: it is not there, or belongs to somebody else.
    """
    account = pwd.getpwnam(unit.name)
    try:
        owner = token.stat().st_uid
        if owner == 0:
            os.chown(token, account.pw_uid, account.pw_gid)
            token.chmod(0o600)
            print(f"gave {token} to {unit.name}")
    except OSError as error:
        raise PixdError(
            f"the token {token} cannot be read: {error.strerror}",
            advice=f"pixd cluster token {token}, or bring it from the other machine",
        ) from error
    if owner not in {0, account.pw_uid}:
        raise PixdError(
            f"the token {token} belongs to somebody else", advice=f"chown {unit.name}: {token}"
        )


def _uninstall(args: argparse.Namespace) -> int:
    """Stop the units and remove their files; tokens, users and the cache stay.

    Raises:
        UsageError: none is installed.
    """
    systemctl = None if args.root else Systemctl(is_user=False)
    units = (cluster_units.HEAD, cluster_units.WORKER)
    present = [unit for unit in units if below(args, cluster_units.paths(unit)[0]).exists()]
    if not present:
        raise UsageError(
            "this machine has no unit of a cluster", advice="pixd cluster join ADDRESS --install"
        )
    for unit in present:
        remove_files(unit, [below(args, one) for one in cluster_units.paths(unit)], systemctl)
    if systemctl:
        systemctl.reload()
    print(f"left the token, and what {cluster_units.WORKER.name} has in /var/cache and /var/lib")
    return 0
