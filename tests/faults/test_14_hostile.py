"""Fault 14: links, pipes and devices in a watched folder. Nothing outside it is ever read."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from pathlib import Path

from pixd.folders import scan
from pixd.system import safe_open
from pixd.system.digests import hash_file
from tests.faults.conftest import Figure
from tests.faults.naive import Naive
from tests.faults.swapping import renamer, swapping
from tests.support.tiny import Tiny, picture

SECRET = b"secret"
INSIDE = b"inside"


def read_all(root: Path, name: str) -> bytes:
    fd = safe_open.open_regular(root, name)
    try:
        return os.read(fd, 100)
    finally:
        os.close(fd)


def test_what_is_swapped_between_look_and_open_is_never_followed_out(
    tmp_path: Path,
    figure: Figure,
    is_full_size: bool,  # noqa: FBT001 - a fixture
) -> None:
    wanted = 10_000 if is_full_size else 500
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "x.png").write_bytes(SECRET)
    for number, (name, swapped, target) in enumerate(
        (("x.png", "x.png", outside / "x.png"), ("sub/x.png", "sub", outside))
    ):
        root = tmp_path / f"root-{number}"
        (root / name).parent.mkdir(parents=True)
        (root / name).write_bytes(INSIDE)
        seen = {INSIDE: 0, SECRET: 0}
        refused = 0
        with swapping(renamer(target, root / swapped)) as swaps:
            while swaps[0] < wanted or refused + seen[INSIDE] < wanted:
                try:
                    seen[read_all(root, name)] += 1
                except (safe_open.NotRegularError, FileNotFoundError):
                    refused += 1
                found = scan.scan(root).files
                secret = (outside / "x.png").stat()
                assert all(stamp.inode != secret.st_ino for stamp in found.values())
        assert seen[INSIDE], "the swap never let it be read: this test saw nothing"
        assert refused, "the swap was never met: this test saw nothing"
        figure(
            14.1 + number / 10,
            f"{'a folder' if number else 'a file'} swapped for a link out {swaps[0]} times,"
            f" {refused + seen[INSIDE]} reads",
            pixd=f"{seen[SECRET]} reads outside",
            bar="0 reads outside the root",
            met=seen[SECRET] == 0,
        )


def test_a_service_under_attack_takes_nothing_from_outside(
    bare: Tiny,
    figure: Figure,
    tmp_path: Path,
    is_full_size: bool,  # noqa: FBT001 - a fixture
) -> None:
    root, outside = bare.folder / "input", tmp_path / "outside"
    outside.mkdir()
    for number in range(3):
        picture(100 + number).save(outside / f"{number}.png")
    secrets = {hash_file(path) for path in outside.iterdir()}
    odd: dict[str, Callable[[Path], None]] = {
        "out.png": lambda path: path.symlink_to(outside / "0.png"),
        "folder": lambda path: path.symlink_to(outside),
        "up.png": lambda path: path.symlink_to("../../outside/1.png"),
        "passwd.png": lambda path: path.symlink_to("/etc/passwd"),
        "nothing.png": lambda path: path.symlink_to("not-there"),
        "circle.png": lambda path: path.symlink_to("circle.png"),
        "pipe.png": os.mkfifo,
    }
    if os.geteuid() == 0:
        odd["zero.png"] = lambda path: os.mknod(path, 0o20666, os.makedev(1, 5))
    (root / "swap").mkdir()
    for number in range(3):
        picture(number).save(root / "swap" / f"{number}.png")
    picture(50).save(root / "real.png")
    (root / "in.png").symlink_to("real.png")
    with Naive(tmp_path) as naive, socket.socket(socket.AF_UNIX) as sock:
        naively = [naive.input / name for name in odd if name != "pipe.png"]  # it would hang there
        for path in (*(root / name for name in odd), *naively):
            odd[path.name](path)
        sock.bind(str(root / "socket.png"))
        bare.start()
        with swapping(_slowly(renamer(outside, root / "swap"))) as swaps:
            ends_at = time.monotonic() + (30 if is_full_size else 3)
            while time.monotonic() < ends_at:
                (root / f"late-{swaps[0]}.png").write_bytes(INSIDE)  # keeps the scans coming
                time.sleep(0.1)
        naive.rest()
        leaked = naive.translated()
    bare.until(lambda p: p["input"]["settling"] == 0, 20)
    taken = {digest for contents in bare.taken().values() for digest in contents}
    states = dict(
        bare.rows("SELECT path, state FROM file JOIN repo ON repo.id = repo_id AND kind = 'input'")
    )
    assert all(states[name] == "rejected" for name in (*odd, "socket.png")), states
    assert states["real.png"] == states["in.png"] == "queued"
    kept = {f"sha256:{p.parent.name}{p.name}" for p in bare.folder.glob("store/objects/??/*")}
    figure(
        14.3,
        f"links out, pipe, socket, device; a folder swapped {swaps[0]} times under the service",
        pixd=f"{len(taken & secrets)} contents from outside taken, {len(odd) + 1} refused by name",
        naive=f"{len(leaked)} links out translated",
        bar="0 reads outside the root",
        met=not (taken | kept) & secrets,
    )


def _slowly(swap: Callable[[int], None]) -> Callable[[int], None]:
    def swap_and_rest(number: int) -> None:
        swap(number)
        time.sleep(0.001 * (number % 400))  # now and then still for longer than files settle

    return swap_and_rest
