"""A file has no name before it is whole, on a file system that can do that; else a temporary one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pixd.system import draft, durable
from pixd.system.draft import Draft


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture(params=["unnamed", "named"])
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    if request.param == "named":
        monkeypatch.setattr(draft, "_unnamed", lambda *_: -1)
    else:
        probe = Draft(tmp_path / "probe", 0o666)
        is_named = bool(names_in(tmp_path))
        probe.close()
        if is_named:
            pytest.skip("this file system makes no file without a name")
    return str(request.param)


@pytest.mark.parametrize("before", [None, b"old"])
def test_what_is_put_in_place_is_whole_and_alone(
    tmp_path: Path, kind: str, before: bytes | None
) -> None:
    del kind
    target = tmp_path / "x.png"
    if before is not None:
        target.write_bytes(before)
    one = Draft(target, 0o640)
    os.write(one.fd, b"new")
    one.put()
    one.close()
    assert target.read_bytes() == b"new"
    assert names_in(tmp_path) == ["x.png"]
    assert target.stat().st_nlink == 1
    assert target.stat().st_mode & 0o777 == 0o640 & ~_umask()


def test_what_is_given_up_leaves_nothing(tmp_path: Path, kind: str) -> None:
    one = Draft(tmp_path / "x.png", 0o666)
    os.write(one.fd, b"new")
    assert len(names_in(tmp_path)) == (kind == "named")
    one.close()
    assert names_in(tmp_path) == []


def test_nobody_sees_a_temporary_name_of_a_new_output(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Look into the folder at each call that could show something to a program that copies it."""
    seen: set[str] = set()
    out = tmp_path / "out"
    out.mkdir()
    for call in ("fsync", "open", "link", "rename", "close"):
        real = getattr(os, call)

        def looking(*args: object, real: object = real, **kwargs: object) -> object:
            result = real(*args, **kwargs)  # type: ignore[operator]
            seen.update(entry.name for entry in os.scandir(out))
            return result

        monkeypatch.setattr(os, call, looking)
    errors = durable.write_each([(out / f"{n}.png", b"x" * n) for n in range(5)])
    assert errors == [None] * 5
    temporary = {name for name in seen if name.startswith(".pixd-")}
    assert bool(temporary) == (kind == "named")
    assert seen - temporary == {f"{n}.png" for n in range(5)}


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
