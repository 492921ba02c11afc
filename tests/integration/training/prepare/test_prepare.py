"""`pixd prepare` on real folders, with its real children."""

from __future__ import annotations

import hashlib
import json
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pixd.cli import main
from pixd.images import png_text
from pixd.images.demo_set import facade_pair
from tests.support.loaded import loaded_by

SHARED = Path(__file__).parents[5] / "shared" / "data"
WaitUntil = Callable[..., None]


class Desk:
    """A folder with pictures in it, and the command."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self.photos = folder / "photos"
        (self.photos / "old").mkdir(parents=True)
        self._capsys = capsys
        self.told = self.said = ""

    def photo(self, name: str, seed: int = 1, size: tuple[int, int] = (96, 64)) -> Path:
        path = self.photos / name
        path.parent.mkdir(parents=True, exist_ok=True)
        facade_pair(seed, 96)[1].resize(size).save(path)
        return path

    def prepare(self, *words: str) -> int:
        code = main.main(["prepare", *words])
        self.told, self.said = self._capsys.readouterr()
        return code

    def files(self, name: str = "out") -> dict[str, bytes]:
        root = self.folder / name
        return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


@pytest.fixture
def desk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Desk]:
    monkeypatch.chdir(tmp_path)
    before = signal.getsignal(signal.SIGTERM)
    desk = Desk(tmp_path, capsys)
    yield desk
    signal.signal(signal.SIGTERM, before)


def picture(path: str | Path) -> Image.Image:
    with Image.open(path) as image:
        return image.convert("RGB")


def halves(path: Path) -> tuple[np.ndarray, np.ndarray]:
    whole = np.asarray(picture(path))
    assert whole.shape[1] == 2 * whole.shape[0]
    return whole[:, : whole.shape[0]], whole[:, whole.shape[0] :]


# -- what is made ----------------------------------------------------------------------------


def test_resize_keeps_sub_folders_and_stems_and_makes_the_size(desk: Desk) -> None:
    desk.photo("a.jpg")
    desk.photo("old/b.png", 2, (40, 90))
    assert desk.prepare("resize", "photos", "out", "--size", "32x48") == 0
    assert set(desk.files()) == {"a.png", "old/b.png"}
    assert picture("out/a.png").size == picture("out/old/b.png").size == (32, 48)
    assert "2 pictures" in desk.told


@pytest.mark.parametrize("op", ["edges", "grayscale", "blank"])
def test_a_made_input_stands_left_of_its_target(op: str, desk: Desk) -> None:
    desk.photo("a.jpg", size=(64, 64))
    assert desk.prepare(op, "photos", "alone", "--size", "64") == 0
    assert desk.prepare(op, "photos", "pairs", "--size", "64", "--combine") == 0
    desk.prepare("resize", "photos", "targets", "--size", "64")
    made, target = halves(Path("pairs/a.png"))
    assert np.array_equal(made, np.asarray(picture("alone/a.png")))
    assert np.array_equal(target, np.asarray(picture("targets/a.png")))
    assert not np.array_equal(made, target)


def test_more_strength_draws_more(desk: Desk) -> None:
    desk.photo("a.png", size=(96, 96))
    ink = []
    for strength in ("0", "0.5", "1"):
        desk.prepare("edges", "photos", "out", "--strength", strength)
        ink.append(int((255 - np.asarray(picture("out/a.png"), int)).sum()))
    assert ink == sorted(set(ink))


def test_combine_pairs_by_stem_reconciles_sizes_and_lists_what_has_no_partner(desk: Desk) -> None:
    for name, size in (("x.png", (60, 60)), ("sub/y.jpg", (90, 60)), ("alone.png", (32, 32))):
        path = desk.folder / "a" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        facade_pair(1, 96)[0].resize(size).save(path)
    desk.photo("x.jpg", size=(128, 128))
    desk.photo("sub/y.png", size=(180, 121))  # a pixel off: laid over its partner
    desk.photo("other.png")
    assert desk.prepare("combine", "a", "photos", "out", "--size", "64") == 1
    assert set(desk.files()) == {"x.png", "sub/y.png"}
    assert picture("out/x.png").size == picture("out/sub/y.png").size == (128, 64)
    assert "pixd: a/alone.png: no partner" in desk.said
    assert "pixd: photos/other.png: no partner" in desk.said
    assert "2 refused" in desk.told


def test_halves_of_different_shapes_are_no_pair_unless_stretched(desk: Desk) -> None:
    (desk.folder / "a").mkdir()
    facade_pair(1, 64)[0].save("a/x.png")
    desk.photo("x.png", size=(96, 64))
    assert desk.prepare("combine", "a", "photos", "out") == 1
    assert "64 x 64 beside 96 x 64" in desk.said
    assert not desk.files()
    assert desk.prepare("combine", "a", "photos", "out", "--fit", "stretch") == 0


def test_two_sources_of_one_name_are_both_refused(desk: Desk) -> None:
    desk.photo("a.jpg")
    desk.photo("a.png", 2)
    desk.photo("b.jpg")
    assert desk.prepare("resize", "photos", "out") == 1
    assert set(desk.files()) == {"b.png"}
    assert desk.said.count("2 files are called a") == 2


# -- doing nothing twice, and overwriting nothing --------------------------------------------


def test_the_same_again_does_nothing_and_a_change_of_source_or_settings_is_made_anew(
    desk: Desk,
) -> None:
    desk.photo("a.jpg", 1)
    desk.photo("b.jpg", 2)
    desk.prepare("resize", "photos", "out", "--size", "64")
    stamps = {p.name: p.stat().st_mtime_ns for p in (desk.folder / "out").iterdir()}
    desk.prepare("resize", "photos", "out", "--size", "64")
    assert "0 made, 2 as they were" in desk.told
    assert {p.name: p.stat().st_mtime_ns for p in (desk.folder / "out").iterdir()} == stamps

    old = desk.photo("a.jpg", 3)
    os.utime(old, (1, 1))  # older than what was made of it: contents count, not times
    desk.prepare("resize", "photos", "out", "--size", "64")
    assert "1 made, 1 as they were" in desk.told
    desk.prepare("resize", "photos", "out", "--size", "64", "--fit", "crop")
    assert "2 made, 0 as they were" in desk.told


def test_what_pixd_did_not_make_or_was_edited_is_never_overwritten(desk: Desk) -> None:
    for number, name in enumerate(("foreign", "edited", "folder", "fine")):
        desk.photo(f"{name}.jpg", number)
    desk.prepare("resize", "photos", "out", "--size", "64")
    shutil.copy("photos/foreign.jpg", "out/foreign.png")
    assert png_text.read_text(Path("out/edited.png")).keys() >= {"pixd:seal", "pixd:prepared"}
    data = Path("out/edited.png").read_bytes()
    Path("out/edited.png").write_bytes(data[:200] + bytes([data[200] ^ 1]) + data[201:])
    Path("out/folder.png").unlink()
    Path("out/folder.png").mkdir()
    before = desk.files()
    assert desk.prepare("resize", "photos", "out", "--size", "32") == 1
    after = desk.files()
    assert desk.said.count("not made by `pixd prepare`") == 3
    assert {n for n in before if before[n] != after[n]} == {"fine.png"}


def test_what_took_the_place_of_other_pictures_with_the_same_names_is_counted(desk: Desk) -> None:
    desk.photo("a.jpg", 1)
    desk.photo("../second/a.jpg", 2)
    desk.photo("../second/b.jpg", 3)
    desk.prepare("resize", "photos", "out", "--size", "64")
    assert "took the place" not in desk.told
    assert desk.prepare("resize", "second", "out", "--size", "64", "--json") == 0
    told = json.loads(desk.told)
    assert (told["made"], told["replaced"]) == (2, 1)
    desk.prepare("resize", "photos", "out", "--size", "64")
    assert "1 took the place of what was made of other pictures" in desk.told
    desk.prepare("resize", "photos", "out", "--size", "32")
    assert "took the place" not in desk.told  # the same picture in another size


def test_what_another_operation_made_is_never_replaced(desk: Desk) -> None:
    desk.photo("a.jpg", 1)
    desk.prepare("edges", "photos", "out", "--size", "64", "--combine")
    before = desk.files()
    for words in (("resize",), ("edges",), ("grayscale", "--combine")):
        op, *more = words
        assert desk.prepare(op, "photos", "out", "--size", "64", *more) == 1
        assert "made by `pixd prepare edges --combine`" in desk.said
    assert desk.files() == before


def test_a_readme_beside_the_pictures_is_left_out(desk: Desk) -> None:
    desk.photo("a.jpg")
    (desk.photos / "README").write_text("made in May")
    (desk.photos / "LICENSE.txt").write_text("CC0")
    shutil.copy(desk.photo("b.jpg", 2), desk.photos / "labels")  # a picture all the same
    assert desk.prepare("resize", "photos", "out") == 0
    assert set(desk.files()) == {"a.png", "b.png", "labels.png"}
    assert desk.said == ""


def test_nothing_of_a_sources_metadata_is_copied(desk: Desk) -> None:
    path = desk.photo("a.jpg")
    exif = Image.Exif()
    exif[0x010F] = "camera of mine"
    picture(path).save(path, exif=exif)
    desk.prepare("resize", "photos", "out")
    assert b"camera" in path.read_bytes()
    assert b"camera" not in Path("out/a.png").read_bytes()


# -- split -----------------------------------------------------------------------------------


def test_split_copies_bytes_and_content_alone_decides_where_to(desk: Desk) -> None:
    for number in range(24):
        desk.photo(f"{number % 3}/{number}.jpg", number, (24, 24))
    sources = desk.files("photos")
    assert (
        desk.prepare("split", "photos", "out", "--train", "0.6", "--val", "0.2", "--test", "0.2")
        == 0
    )
    made = desk.files()
    assert {name.split("/", 1)[1]: data for name, data in made.items()} == sources
    assert desk.files("photos") == sources  # copied, never moved
    sets = {hashlib.sha256(data).hexdigest(): name.split("/")[0] for name, data in made.items()}
    assert set(sets.values()) == {"train", "val", "test"}
    # Other names and other pictures beside them change nothing.
    for path in list(desk.photos.rglob("*.jpg")):
        path.rename(desk.photos / f"renamed-{path.name}")
    desk.photo("new.jpg", 99)
    desk.prepare("split", "photos", "again", "--train", "0.6", "--val", "0.2", "--test", "0.2")
    for name, data in desk.files("again").items():
        assert sets.get(hashlib.sha256(data).hexdigest(), name.split("/")[0]) == name.split("/")[0]


def test_other_shares_move_copies_so_that_no_picture_is_in_two_sets(desk: Desk) -> None:
    for number in range(12):
        desk.photo(f"{number}.png", number, (24, 24))
    desk.prepare("split", "photos", "out")
    assert (
        desk.prepare(
            "split", "photos", "out", "--train", "0", "--val", "0.5", "--test", "0.5", "--json"
        )
        == 0
    )
    told = json.loads(desk.told)
    assert "train" not in told["sets"]
    assert sum(told["sets"].values()) == 12
    assert sorted(name.split("/")[1] for name in desk.files()) == sorted(desk.files("photos"))


def test_a_copy_with_other_bytes_is_left_and_named(desk: Desk) -> None:
    desk.photo("a.png", 1)
    desk.prepare("split", "photos", "out")
    desk.photo("a.png", 2)
    before = desk.files()
    assert desk.prepare("split", "photos", "out") == 1
    assert "has other bytes" in desk.said
    assert desk.files() == before


def test_the_two_files_of_a_pair_go_to_one_set(desk: Desk) -> None:
    for number in range(12):
        desk.photo(f"a/{number}.png", number, (24, 24))
        desk.photo(f"b/{number}.jpg", number + 50, (24, 24))
    shutil.rmtree(desk.photos / "old")
    assert (
        desk.prepare("split", "photos", "out", "--train", "0.5", "--val", "0", "--test", "0.5") == 0
    )
    assert "val 0" in desk.told
    for number in range(12):
        sets = {name.split("/")[0] for name in desk.files() if Path(name).stem == str(number)}
        assert len(sets) == 1
    assert len(desk.files()) == 24


# -- refusals --------------------------------------------------------------------------------


def test_what_is_no_picture_is_refused_by_name_and_the_rest_is_made(desk: Desk) -> None:
    desk.photo("good.png")
    (desk.photos / "page.jpg").write_text("<html>not found</html>")
    (desk.photos / "cut.png").write_bytes((desk.photos / "good.png").read_bytes()[:-30])
    (desk.photos / "empty.png").touch()
    (desk.photos / "notes.png.part").touch()
    (desk.folder / "secret.png").write_bytes(b"elsewhere")
    (desk.photos / "link.png").symlink_to(desk.folder / "secret.png")
    os.mkfifo(desk.photos / "pipe.png")
    assert desk.prepare("resize", "photos", "out", "--json") == 1
    told = json.loads(desk.told)
    reasons = {p["file"].removeprefix("photos/"): p["reason"] for p in told["problems"]}
    assert set(reasons) == {"page.jpg", "cut.png", "empty.png", "link.png", "pipe.png"}
    assert "web page" in reasons["page.jpg"]
    assert "named pipe" in reasons["pipe.png"]
    assert "leads out" in reasons["link.png"]
    assert (told["made"], told["refused"], told["ignored"]) == (1, 5, 1)
    assert set(desk.files()) == {"good.png"}


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("resize", "photos", "photos/out"), "lie in one another"),
        (("resize", "photos/old", "photos"), "lie in one another"),
        (("resize", "photos", "photos"), "lie in one another"),
        (("resize", "photos", "link"), "lie in one another"),
        (("combine", "photos", "other", "other/x"), "lie in one another"),
        (("resize", "nowhere", "out"), "is no folder"),
        (("resize", "photos", "out", "--size", "0"), "is no size"),
        (("resize", "photos", "out", "--size", "99999x99999"), "is no size"),
        (("edges", "photos", "out", "--strength", "2"), "no number from 0 to 1"),
        (("edges", "photos", "out", "--combine", "--size", "keep"), "squares"),
        (("combine", "photos", "other", "out", "--size", "64x32"), "squares"),
        (("split", "photos", "out", "--train", "0.9"), "not 1"),
        (("split", "photos", "out", "--fit", "pad"), "no option"),
        (("sharpen", "photos", "out"), "no command sharpen"),
        ((), "required"),
    ],
)
def test_a_command_that_makes_no_sense_is_told_so_and_does_nothing(
    words: tuple[str, ...], why: str, desk: Desk
) -> None:
    desk.photo("a.png")
    (desk.folder / "other").mkdir()
    (desk.folder / "link").symlink_to(desk.photos / "old")
    before = desk.files("photos")
    assert desk.prepare(*words) == 2
    assert why in desk.said
    assert "  try: " in desk.said
    assert desk.told == ""
    assert desk.files("photos") == before


def test_an_empty_folder_is_no_success(desk: Desk) -> None:
    assert desk.prepare("resize", "photos", "out") == 1
    assert "no files" in desk.said


def test_awkward_names_survive(desk: Desk) -> None:
    source = desk.photo("plain.png").read_bytes()
    for name in (
        b"new\nline.png",
        b"no utf8 \xff.jpg",
        b"-dash.png",
        "ä 猫.png".encode(),
        b"back\\slash",
    ):
        (desk.photos / os.fsdecode(name)).write_bytes(source)
    assert desk.prepare("resize", "photos", "out") == 0
    made = {os.fsencode(p.name) for p in (desk.folder / "out").iterdir()}
    assert b"new\nline.png" in made
    assert b"no utf8 \xff.png" in made
    assert b"back\\slash.png" in made


# -- children that die, disks that refuse ----------------------------------------------------


@pytest.fixture
def deadly(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Have the children die of pictures by their width: 13 loops for ever, 14 crashes, and so on."""
    folder = tmp_path / "deadly"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(
        "import sys\n"
        "if any('maker_child' in word for word in sys.orig_argv):\n"
        "    from pixd.images import decode as images\n"
        "    from pixd.system.children import confinement\n"
        "    confinement.SECONDS_AN_IMAGE = 1\n"
        "    decode = images.decode\n"
        "    def deadly(data):\n"
        "        image = decode(data)\n"
        "        while image.width == 13: pass\n"
        "        if image.width == 14:\n"
        "            import os, signal\n"
        "            os.kill(os.getpid(), signal.SIGSEGV)\n"
        "        if image.width in (16, 17):\n"
        "            import os, pathlib, signal\n"
        f"            flag = pathlib.Path({str(folder)!r}, 'seen')\n"
        "            if image.width == 17 or not flag.exists():\n"
        "                flag.touch()\n"
        "                os.kill(os.getpid(), signal.SIGKILL)\n"
        "        if image.width == 15:\n"
        "            raise RuntimeError('odd')\n"
        "        return image\n"
        "    images.decode = deadly\n"
    )
    paths = [str(folder), str(Path(main.__file__).parents[2])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))


@pytest.mark.usefixtures("deadly")
def test_a_picture_that_kills_or_hangs_its_child_is_refused_and_the_rest_is_made(
    desk: Desk,
) -> None:
    for number in range(10, 20):
        desk.photo(f"{number}.png", number, (number, 12))
    assert desk.prepare("resize", "photos", "out") == 1
    assert set(desk.files()) == {f"{n}.png" for n in range(10, 20) if n not in {13, 14, 15, 17}}
    assert re.search(
        r"photos/13.png: decoding it takes more than \d+ s of processor time", desk.said
    )
    assert "photos/14.png: decoding it crashes the decoder (SIGSEGV)" in desk.said
    # Who is killed by somebody else is asked again: 16 at its first try, 17 at each.
    assert "photos/17.png: its decoder ended with exit code -9" in desk.said
    assert "photos/15.png: nothing can be made of it: RuntimeError: odd" in desk.said


def test_a_full_disk_stops_with_what_to_do_and_leaves_no_partial_file(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    import errno

    from pixd.system import durable

    def full(_fd: int, _data: bytes) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    desk.photo("a.png")
    monkeypatch.setattr(durable, "write_all", full)
    assert desk.prepare("resize", "photos", "out") == 1
    assert "goes on where it stopped" in desk.said
    assert not desk.files()


# -- as people run it ------------------------------------------------------------------------


def start(desk: Desk, *words: str, **options: object) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "pixd", "prepare", *words]
    return subprocess.Popen(command, cwd=desk.folder, **options)  # type: ignore[call-overload, no-any-return]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_leaves_whole_files_says_how_to_go_on_and_leaves_no_child(
    number: int, desk: Desk, wait_until: WaitUntil
) -> None:
    first = desk.photo("000.png", 1, (900, 900)).read_bytes()
    for n in range(1, 400):
        (desk.photos / f"{n:03}.png").write_bytes(first)
    child = start(
        desk, "edges", "photos", "out", stderr=subprocess.PIPE, stdout=subprocess.PIPE,
        start_new_session=True,
    )  # fmt: skip
    wait_until(lambda: (desk.folder / "out").exists() and desk.files(), 60)
    os.killpg(child.pid, number)
    told, said = child.communicate(timeout=30)
    assert child.returncode == 130
    assert told == b""
    assert b"the same command again" in said
    assert b"Traceback" not in said
    made = desk.files()
    assert 0 < len(made) < 400
    assert not [name for name in made if not re.fullmatch(r"\d{3}\.png", name)]
    for name in made:
        picture(desk.folder / "out" / name)
    alive = subprocess.run(
        ["pgrep", "-f", f"pixd.training.prepare.maker_child.*{desk.folder}"], check=False
    )
    assert alive.returncode == 1


def test_a_terminal_gets_a_bar_and_a_pipe_gets_none(desk: Desk) -> None:
    for number in range(6):
        desk.photo(f"{number}.png", number)
    terminal, theirs = pty.openpty()
    child = start(desk, "resize", "photos", "out", stderr=theirs, stdout=subprocess.PIPE,
                  env={**os.environ, "TERM": "xterm"})  # fmt: skip
    told, _ = child.communicate(timeout=60)
    os.close(theirs)
    shown = os.read(terminal, 65536).decode()
    os.close(terminal)
    assert "6 of" in shown  # this terminal says that it has no width
    assert told.decode().startswith("6 pictures in ")
    desk.prepare("resize", "photos", "quiet")
    assert desk.said == ""


@pytest.mark.slow
@pytest.mark.alone
def test_memory_does_not_grow_with_the_number_of_pictures(desk: Desk) -> None:
    first = desk.photo("0.png", 1, (32, 32)).read_bytes()
    peaks = []
    for start_at, end in ((1, 150), (150, 1500)):
        for n in range(start_at, end):
            folder = desk.photos / str(n // 100)
            folder.mkdir(exist_ok=True)
            (folder / f"{n}.png").write_bytes(first)
        code = (
            "import resource, sys; from pixd.cli import main;"
            f"main.main(['prepare', 'resize', 'photos', 'out{end}', '--size', '32']);"
            "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        )
        peaks.append(int(done.stdout.split()[-1]))
    assert peaks[1] - peaks[0] < 2000  # kB; 1,350 pictures more are 4 MB


def test_the_command_itself_loads_no_arrays_and_needs_no_configuration(desk: Desk) -> None:
    desk.photo("a.png")
    heavy = ("tensorflow", "numpy", "PIL", "sqlite_utils", "watchdog", "cv2")
    words = ["prepare", "resize", "photos", "out"]
    _, loaded = loaded_by(words, heavy, desk.folder)
    assert loaded == "[]"
    assert not list(desk.folder.glob("**/*.db")) + list(desk.folder.glob("**/config.yaml"))


@pytest.mark.realdata
@pytest.mark.skipif(not SHARED.exists(), reason="the awkward files are not part of the project")
def test_awkward_files_are_taken_or_refused_as_the_service_does(desk: Desk) -> None:
    import csv

    with (SHARED / "nasty" / "MANIFEST.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["basis"] == "must"]
    for row in rows:
        shutil.copy(
            SHARED / "nasty" / row["file"],
            desk.photos / f"{len(row['sha256'])}{row['file'].replace('.', '-')}",
        )
    assert desk.prepare("resize", "photos", "out", "--size", "64", "--json") == 1
    refused = {p["file"].removeprefix("photos/64") for p in json.loads(desk.told)["problems"]}
    expected = {row["file"].replace(".", "-") for row in rows if row["expected"] == "reject"}
    assert refused == expected


def test_time_is_told_without_a_clock_that_runs_backwards() -> None:
    from pixd.cli.commands.prepare import _left

    assert _left(time.monotonic(), 0, 10) == ""
    assert _left(time.monotonic() - 10, 5, 10) == ", 10 s left"


# -- class ids -------------------------------------------------------------------------------


def labels_in(folder: Path, values: list[list[int]]) -> Path:
    folder.mkdir(exist_ok=True)
    grey = Image.fromarray(np.array(values, np.uint8))
    grey.save(folder / "grey.png")
    places = grey.copy()
    places.putpalette([9, 9, 9] * 256)
    places.save(folder / "places.png")
    return folder


def test_class_ids_get_the_same_colours_in_every_run(desk: Desk) -> None:
    source = labels_in(desk.folder / "labels", [[0, 1], [12, 255]])
    assert desk.prepare("colour-labels", str(source), "out") == 0
    first = desk.files()
    table = json.loads(first["palette.json"])
    pixels = np.asarray(Image.open(desk.folder / "out" / "grey.png").convert("RGB"))
    shown = [f"#{bytes(pixel).hex()}" for row in pixels for pixel in row]
    assert shown == [table[name] for name in ("0", "1", "12", "255")]
    assert np.array_equal(pixels, np.asarray(Image.open(desk.folder / "out" / "places.png")))
    assert desk.prepare("colour-labels", str(source), "out") == 0
    assert desk.files() == first


def test_a_palette_is_taken_and_an_id_without_a_colour_refused(desk: Desk) -> None:
    source = labels_in(desk.folder / "labels", [[0, 1], [2, 2]])
    own = desk.folder / "own.json"
    own.write_text('{"0": "#010203", "1": "#ffFF00"}')
    assert desk.prepare("colour-labels", str(source), "out", "--palette", str(own)) == 1
    assert "the palette has no colour for 2" in desk.said
    own.write_text('{"0": "#010203", "1": "#ffFF00", "2": "#000000"}')
    assert desk.prepare("colour-labels", str(source), "out", "--palette", str(own)) == 2
    assert "has other colours" in desk.said
    assert desk.prepare("colour-labels", str(source), "more", "--palette", str(own)) == 0
    pixels = np.asarray(Image.open(desk.folder / "more" / "grey.png").convert("RGB"))
    assert pixels.tolist() == [[[1, 2, 3], [255, 255, 0]], [[0, 0, 0], [0, 0, 0]]]


def test_one_half_of_a_pair_is_coloured_and_the_other_stays(desk: Desk) -> None:
    photo = np.asarray(facade_pair(1, 32)[1])
    ids = np.repeat(np.arange(32, dtype=np.uint8)[:, None] // 8, 32, 1)
    both = np.concatenate([photo, np.repeat(ids[..., None], 3, 2)], axis=1)
    (desk.folder / "pairs").mkdir()
    Image.fromarray(both).save(desk.folder / "pairs" / "x.png")
    assert desk.prepare("colour-labels", "pairs", "out", "--half", "right") == 0
    made = np.asarray(Image.open(desk.folder / "out" / "x.png").convert("RGB"))
    assert np.array_equal(made[:, :32], photo)
    assert len(np.unique(made[:, 32:].reshape(-1, 3), axis=0)) == 4


def test_photographs_are_no_class_ids(desk: Desk) -> None:
    desk.photo("x.png")
    Image.open(desk.photos / "x.png").convert("L").save(desk.photos / "grey.png")
    assert desk.prepare("colour-labels", "photos", "out") == 1
    assert "x.png: it has colours, not class ids" in desk.said
    assert "grey.png: it is shaded" in desk.said
