"""Seeing what a training makes: status and previews on the way, a report of each model after it."""

from __future__ import annotations

import base64
import io
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from pixd.store import gc
from pixd.store.opening import open_store
from pixd.store.queries import lineage
from tests.support.shared import made_once
from tests.support.tiny import Tiny, pair, picture

HOSTILE = "<script>alert({n})<b>&\"' {n:03d}.png"
FIRST = re.compile(r"^<script>alert\((\d+)\)")


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    """Make a model of 16 pairs whose names are markup."""

    def make(folder: Path) -> None:
        tiny = Tiny(folder)
        for number in range(16):
            pair(number).save(folder / "training" / HOSTILE.format(n=number))
        tiny.tune(validation=0.5)  # so that several are held out
        tiny.once()

    return Tiny.at(made_once(tmp_path_factory, "names-of-markup", make))


@pytest.fixture
def mine(made: Tiny, tmp_path: Path) -> Iterator[Tiny]:
    """Return a copy, to be changed at will."""
    with made.copied(tmp_path / "tiny") as tiny:
        yield tiny


def held_out(tiny: Tiny) -> list[str]:
    """Return the names of the held-out pairs, as they are sorted."""
    chain = json.loads(tiny.pixd("trace", tiny.shown("live")["digest"], "--json").stdout)
    return [one["name"] for one in chain["model"]["dataset"]["pairs"]["held_out"]]


def pictures_in(page: str) -> dict[str, NDArray[np.uint8]]:
    """Return the pictures of a report by what is said of each."""
    found = {}
    for data, alt in re.findall(r'<img src="data:image/png;base64,([^"]+)" alt="([^"]*)"', page):
        pixels = Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB")
        found[unescape(alt)] = np.asarray(pixels)
    assert len(found) == page.count("<img ")
    return found


def test_status_tells_losses_scores_and_where_samples_are_while_it_trains(mine: Tiny) -> None:
    mine.tune(steps=1000)
    mine.start()
    part = mine.until(lambda part: part["train"]["validation"] and part["train"]["preview"])
    train = part["train"]
    assert train["state"] == "running"
    assert set(train["losses"]) == {"gen_gan_loss", "gen_l1_loss", "disc_loss"}
    assert train["validation"]["l1"] > 0
    assert train["validation"]["step"] % 100 == 0
    sheet = Path(train["preview"])
    assert sheet == mine.folder / "store/previews/tiny.png"
    assert Image.open(io.BytesIO(sheet.read_bytes())).format == "PNG"
    said = mine.pixd("status").stdout
    assert re.search(r"losses: L1 \d+\.\d, GAN \d+\.\d\d, D \d+\.\d\d", said)
    assert f"see {sheet}" in said
    assert (mine.folder / "store/tensorboard/tiny").is_dir()
    mine.stop()
    assert mine.part()["train"]["preview"] == ""
    assert sheet.exists()  # the training goes on from where it is


def test_the_sheet_is_an_output_of_the_run_and_no_part_of_the_model(mine: Tiny) -> None:
    assert not list((mine.folder / "store/previews").iterdir())
    roles = {output["role"] for output in mine.shown("live")["training"]["outputs"]}
    assert roles == {"generator", "card", "samples"}
    (laid_out,) = (mine.folder / "store/models").iterdir()
    assert {path.name for path in laid_out.iterdir()} == {"generator.keras", "model.json"}
    done = mine.pixd("verify")
    assert done.returncode == 0, done.stdout + done.stderr
    assert mine.pixd("gc").stdout.startswith("0 B in 0 objects")
    done = mine.pixd("restore", "training@1", "--to", "again")
    assert done.returncode == 0, done.stderr
    assert len(list((mine.folder / "again").iterdir())) == 16
    done = mine.pixd("export", "live", "exported", timeout_s=240)
    assert done.returncode == 0, done.stderr
    assert not list((mine.folder / "exported").rglob("*.png"))


def test_a_report_is_one_file_with_the_first_held_out_pairs_as_the_model_translates_them(
    mine: Tiny,
) -> None:
    done = mine.pixd("models", "--report", "1", "--pairs", "2")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    path = Path(done.stdout.strip())
    assert path == mine.folder / "store/reports/tiny-model-1.html"
    page = path.read_text()
    pictures = pictures_in(page)
    assert len(pictures) == 2 * 3 + 1
    assert "<script" not in page
    names = held_out(mine)
    assert len(names) >= 2
    for name in names[:2]:
        assert all(pictures[f"{part} of {name}"].shape == (32, 32, 3) for part in PARTS)
    match = FIRST.match(names[0])
    assert match
    number = int(match[1])
    assert np.array_equal(pictures[f"input of {names[0]}"], np.asarray(picture(number)))
    picture(number).save(mine.folder / "same.png")
    done = mine.pixd("translate", "same.png", "-o", "made")
    assert done.returncode == 0, done.stderr
    translated = np.asarray(Image.open(mine.folder / "made/same.png"))
    assert np.array_equal(pictures[f"output of {names[0]}"], translated)
    for words in ("It was promoted: promote is set to always.", "<td>4</td>", "<svg "):
        assert words in page


PARTS = ("input", "output", "target")


def test_a_report_is_made_while_the_service_runs_and_goes_where_it_is_told(mine: Tiny) -> None:
    mine.start()
    done = mine.pixd(
        "models", "--report", "model@1", "--pairs", "1", "-o", "new/here.html", "--json"
    )
    assert done.returncode == 0, done.stderr
    path = mine.folder / "new/here.html"
    assert json.loads(done.stdout) == {"model": "model@1", "report": str(path), "missing": []}
    assert len(pictures_in(path.read_text())) == 4
    assert mine.stop() == 0


def test_it_opens_where_there_is_a_display_and_nowhere_else(
    mine: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = mine.folder / "seen"
    browser = mine.folder / "browser"
    browser.write_text(f'#!/bin/sh\nprintf "%s\\n" "$1" >> {seen}\n')
    browser.chmod(0o755)
    monkeypatch.setenv("BROWSER", f"{browser} %s")
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    report = ("models", "--report", "live", "--pairs", "0")
    assert mine.pixd(*report).returncode == 0
    monkeypatch.setenv("DISPLAY", ":7")
    assert mine.pixd(*report, "--no-open").returncode == 0
    assert not seen.exists()
    done = mine.pixd(*report)
    assert done.returncode == 0, done.stderr
    assert seen.read_text().splitlines() == [Path(done.stdout.strip()).as_uri()]


def test_the_command_itself_loads_neither_tensorflow_nor_pillow(mine: Tiny) -> None:
    program = (
        "import sys; from pixd.cli import main\n"
        "code = main.main(['models', '--report', 'live', '--pairs', '1'])\n"
        "heavy = {'tensorflow', 'keras', 'numpy', 'PIL', 'sqlite_utils'} & set(sys.modules)\n"
        "sys.exit(code or ' '.join(heavy) or 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=mine.folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_a_report_says_what_is_gone_and_shows_the_rest(mine: Tiny) -> None:
    shown = mine.shown("live")
    outputs = {o["role"]: o["digest"] for o in shown["training"]["outputs"]}
    names = held_out(mine)
    gone = mine.folder / "training" / names[0]
    (gone_digest,) = mine.taken("training")[names[0]]
    assert gone_digest

    def report() -> tuple[str, str]:
        done = mine.pixd("models", "--report", "live", "--pairs", "2")
        assert done.returncode == 0, done.stderr
        return Path(done.stdout.strip()).read_text(), done.stderr

    move_to_trash(mine, gone_digest, outputs["samples"])
    page, said = report()
    assert len(pictures_in(page)) == 3
    assert "its pictures are no longer kept" in said
    assert "the sheet of samples was removed" in said
    assert gone.exists()

    move_to_trash(mine, outputs["generator"])
    page, said = report()
    assert len(pictures_in(page)) == 0
    assert "the weights of model@1 are no longer kept" in said
    assert "`pixd gc --undo` brings them back" in unescape(page)
    assert page.count("<svg ") >= 4
    assert "bytes removed" in mine.pixd("models").stdout
    for _ in range(2):
        assert mine.pixd("gc", "--undo").returncode == 0
    page, said = report()
    assert (len(pictures_in(page)), said) == (7, "")
    picture(9).save(mine.folder / "one.png")
    done = mine.pixd("translate", "one.png")
    assert done.returncode == 0, done.stderr


def move_to_trash(tiny: Tiny, *digests: str) -> None:
    store = open_store(tiny.folder / "store")
    gc.apply(store, [gc.Garbage(digest, 1, "x", "a test") for digest in digests])
    store.close()


def test_a_damaged_model_is_said_and_a_recalled_picture_is_in_no_report(mine: Tiny) -> None:
    names = held_out(mine)
    done = mine.pixd("recall", f"training/{names[0]}", "--yes")
    assert done.returncode == 0, done.stderr
    done = mine.pixd("models", "--report", "1", "--pairs", "2")
    page = Path(done.stdout.strip()).read_text()
    assert set(pictures_in(page)) == {f"{part} of {names[1]}" for part in PARTS}
    assert "recalled: it is in no report any more" in done.stderr
    assert "shows a picture that was recalled since" in done.stderr

    outputs = {o["role"]: o["digest"] for o in mine.shown("model@1")["training"]["outputs"]}
    generator = lineage.object_path(mine.folder / "store", outputs["generator"])
    generator.chmod(0o644)
    with generator.open("r+b") as stream:
        stream.seek(-200, 2)
        stream.write(b"damage")
    done = mine.pixd("models", "--report", "1", "--pairs", "2")
    assert done.returncode == 0
    assert "generator.keras is damaged" in done.stderr
    assert not pictures_in(Path(done.stdout.strip()).read_text())


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--report", "9"], 2, "tiny has no model 9"),
        (["--report", "soon"], 2, "soon is no model"),
        (["--report", "1", "--pairs", "-1"], 2, "how many?"),
        (["--report", "1", "-o", "training/r.html"], 2, "which pixd watches"),
        (["--report", "1", "-o", "store/objects/r.html"], 2, "among the store's objects"),
        (["--report", "1", "-o", "output"], 2, "output is a folder"),
        (["--report", "1", "--pairs", "0", "-o", "config.yaml/r"], 1, "cannot be written"),
        (["--no-open"], 2, "are of a report"),
    ],
)
def test_a_report_that_cannot_be_made_says_why(
    made: Tiny, words: list[str], code: int, said: str
) -> None:
    done = made.pixd("models", *words)
    assert done.returncode == code, done.stderr
    assert said in done.stderr
    assert done.stdout == ""
    assert not list((made.folder / "training").glob("*.html"))
