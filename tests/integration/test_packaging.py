"""What people install: the packages of `make dist`, and what `make venv` says on a Python too new."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import tarfile
import time
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NEEDED = [shutil.which("git"), shutil.which("make"), (ROOT / ".git").exists()]


def make(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run make as from a shell, where the tests themselves may be started by make."""
    own = {
        name: text for name, text in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))
    }
    return subprocess.run(
        ["make", *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env={**own, **environment},
    )


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the packages, made twice from one commit with another umask: the same."""
    if not all(NEEDED) or not (Path(sys.prefix) / ".ready").exists():
        pytest.skip("needs a git checkout and the environment of `make venv`")
    folder = tmp_path_factory.mktemp("dist")
    before = os.umask(0o077)
    try:
        for name in ("one", "other"):
            (folder / name).mkdir()
            (folder / name / "notes.txt").touch()  # what else is there is nobody's to remove
            done = make("dist", f"DIST={folder / name}", f"VENV={sys.prefix}")
            assert done.returncode == 0, done.stderr
            os.umask(0o002)
            time.sleep(1)  # archives have whole seconds: a clock in them would show
    finally:
        os.umask(before)
    return folder


@pytest.mark.slow
def test_one_commit_gives_the_same_packages_twice(packages: Path) -> None:
    (wheel,) = (packages / "one").glob("*.whl")
    (sdist,) = (packages / "one").glob("*.tar.gz")
    assert {path.name for path in (packages / "one").iterdir()} == {
        *(wheel.name, sdist.name, "notes.txt"),
    }
    for made in (wheel, sdist):
        assert made.read_bytes() == (packages / "other" / made.name).read_bytes()
    with zipfile.ZipFile(wheel) as archive:
        inside = archive.namelist()
        metadata = archive.read(
            next(name for name in inside if name.endswith("/METADATA"))
        ).decode()
    for needed in (
        "pixd/web/static/draw/studio.js",
        "pixd/pix2pix/exports/site/index.html",
        "pixd/cli/unit_files/pixd.service",
        "pixd/py.typed",
    ):
        assert needed in inside
    for said in (
        "License-Expression: MIT",
        "Requires-Python: <3.14,>=3.11",
        "Keywords: ",
        "# pixd",
    ):
        assert said in metadata
    with tarfile.open(sdist) as archive:
        owners = {(member.uid, member.gid, member.mtime) for member in archive.getmembers()}
    assert len(owners) == 1


@pytest.mark.slow
def test_a_fresh_environment_with_the_wheel_begins_the_demo(packages: Path, tmp_path: Path) -> None:
    (wheel,) = (packages / "one").glob("*.whl")
    fresh = tmp_path / "fresh"
    venv.create(fresh, with_pip=True)
    # The packages that pixd needs come from here: a test downloads no gigabyte.
    (site,) = fresh.glob("lib/python*/site-packages")
    python = fresh / "bin" / "python"
    subprocess.run(
        [python, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", wheel], check=True
    )
    (site / "needed.pth").write_text(sysconfig.get_path("purelib"))
    log = tmp_path / "log"
    with log.open("wb") as out:
        demo = subprocess.Popen(
            [fresh / "bin" / "pixd", "demo", "demo-out"], cwd=tmp_path, stdout=out, stderr=out
        )
    try:
        training = tmp_path / "demo-out" / "training"
        ends_at = time.monotonic() + 240
        while not (training.is_dir() and len([*training.iterdir()]) >= 200):
            assert demo.poll() is None, log.read_text()
            assert time.monotonic() < ends_at, log.read_text()
            time.sleep(0.2)
    finally:
        demo.send_signal(signal.SIGINT)
        demo.wait(60)


def test_a_python_that_is_too_new_is_answered_in_one_line(tmp_path: Path) -> None:
    if not all(NEEDED):
        pytest.skip("needs make")
    newer = tmp_path / "python3.14"
    newer.write_text(
        f'#!/bin/sh\nexec {sys.executable} -c "import sys; sys.version_info = (3, 14, 0);'
        ' exec(sys.argv[1])" "$2"\n'
    )
    newer.chmod(0o755)
    done = make("venv", f"PYTHON={newer}", f"VENV={tmp_path / 'venv'}")
    assert done.returncode != 0
    said = [line for line in done.stderr.splitlines() if not line.startswith("make:")]
    assert said == [
        "TensorFlow has no build for this Python; 3.13 is the newest: make PYTHON=python3.13 venv"
    ]
    assert not (tmp_path / "venv").exists()
