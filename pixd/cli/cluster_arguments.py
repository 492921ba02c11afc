"""The options of `pixd cluster`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pixd.cli.parser import CommandParser

TOKEN = "/etc/pixd/ray-token"  # noqa: S105 - a path


def add_to(command: CommandParser) -> None:
    """Add them."""
    command.add_argument(
        "action",
        choices=["token", "head", "join", "uninstall"],
        help="make a token; be the head; join one; undo --install",
    )
    command.add_argument(
        "where",
        nargs="?",
        metavar="WHERE",
        help="of token: the file; of head: this machine's address; of join: the head's",
    )
    command.add_argument("--token", default=TOKEN, metavar="FILE", help=f"the token ({TOKEN})")
    command.add_argument("--tls", metavar="DIR", help="node.crt, node.key and ca.crt: encrypt")
    command.add_argument(
        "--cpus", type=int, metavar="N", help="processors to give (join: all; head: none)"
    )
    command.add_argument("--gpus", type=int, metavar="N", help="GPUs to give (the same)")
    command.add_argument("--folder", metavar="DIR", help="for Ray's own files (/tmp/ray)")
    command.add_argument(
        "--install", action="store_true", help="as a unit of systemd, now and with the machine"
    )
    command.add_argument(
        "--root", metavar="DIR", help="with --install: write below DIR and start nothing"
    )
