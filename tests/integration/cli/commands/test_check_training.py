"""`pixd check-training` on real folders: what it prints, and how it ends."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from pixd.cli import arguments, main
from pixd.config.load import load
from pixd.config.pair_kinds import KINDS
from pixd.images.demo_set import facade_pair
from tests.support.training_folder import CONFIG, jpeg, pair, png


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("drawn") / "training"
    folder.mkdir()
    for number in range(52):
        (folder / f"{number:03d}.png").write_bytes(png(pair(number)))
    return folder


@pytest.fixture
def training(drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(drawn, tmp_path / "training")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "training"


def check(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    code = main.main(["check-training", *words])
    out, err = capsys.readouterr()
    assert "Traceback" not in err
    return code, out or err


def told(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, dict[str, Any]]:
    code, out = check(capsys, *words, "--json")
    (only,) = json.loads(out)["folders"].values()
    return code, only


def test_a_sound_folder_needs_neither_store_nor_configuration(
    training: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out = check(capsys, "training", "--image-size", "64")
    assert (code, out.splitlines()[-1]) == (0, "nothing is wrong")
    assert out.startswith("training: 52 pairs (")
    assert sorted(path.name for path in training.parent.iterdir()) == ["training"]


def test_what_is_wrong_is_named_with_what_to_do(
    training: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (training / "007.png").write_bytes(png(pair(7, swapped=True)))
    (training / "sub").mkdir()
    (training / "sub" / "again.jpg").write_bytes(jpeg(pair(9), 70))
    (training / "copy.png").write_bytes((training / "011.png").read_bytes())
    (training / "notes.png").write_bytes(b"<html>not a picture")
    Image.new("RGB", (50, 60)).save(training / "tall.png")
    half = pair(13)
    half.paste((255, 255, 255), (64, 0, 128, 64))
    half.save(training / "013.png")
    code, found = told(capsys, "training", "--image-size", "64")
    assert code == 1
    assert {one["kind"]: one["groups"] for one in found["findings"] if one["kind"] != "aspect"} == {
        "unusable": [["notes.png: it is a web page, not a picture that pixd takes"]],
        "blank": [["013.png"]],
        "swapped": [["007.png"]],
        "alike": [["009.png", "sub/again.jpg"]],
        "copy": [["copy.png: the same bytes as 011.png: used once"]],
    }
    (aspect,) = (one for one in found["findings"] if one["kind"] == "aspect")
    assert aspect["groups"][0][0].startswith("tall.png: ")
    assert (found["wrong"], found["look"], found["pairs"]) == (4, 2, 53)
    code, out = check(capsys, "training", "--image-size", "64")
    assert code == 1
    assert out.count("  try: ") == 6
    assert "WRONG  1 pair looks the other way round than the other 51\n         007.png\n" in out
    assert out.splitlines()[-1] == "4 wrong, 2 worth a look"


def test_folders_are_paired_by_name_and_unpaired_ones_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for side in ("a", "b"):
        (tmp_path / side).mkdir()
    for number in range(12):
        for side, picture in zip("ab", facade_pair(number, 64), strict=True):
            picture.save(tmp_path / side / f"{number}.png")
    facade_pair(40, 64)[0].save(tmp_path / "a" / "alone.png")
    code, found = told(capsys, str(tmp_path), "--pairs", "folders", "--image-size", "64")
    assert code == 1
    (unpaired,) = (one for one in found["findings"] if one["kind"] == "unpaired")
    assert unpaired["groups"][0][0].startswith("a/alone.png: no partner")
    assert found["pairs"] == 12


def test_single_pictures_are_looked_at_as_such(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(12):
        facade_pair(number, 64)[1].save(tmp_path / f"{number}.png")
    facade_pair(40, 64)[1].convert("L").save(tmp_path / "grey.png")
    code, found = told(capsys, str(tmp_path), "--pairs", "grayscale", "--image-size", "64")
    assert code == 1
    assert [one["groups"] for one in found["findings"] if one["kind"] == "grey"] == [[["grey.png"]]]


def test_what_is_worth_a_look_is_no_failure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(5):
        (tmp_path / f"{number}.png").write_bytes(png(pair(number)))
    code, out = check(capsys, str(tmp_path))
    assert code == 0
    assert out.splitlines()[-1] == "3 worth a look"


def test_without_a_folder_the_pipelines_of_the_configuration_are_checked(
    training: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("config.yaml").write_text(CONFIG)
    code, found = told(capsys)
    assert (code, found["settings"]["image_size"], found["pairs"]) == (0, 64, 52)
    assert not Path("store").exists()
    assert check(capsys, "-p", "p")[0] == 0
    assert load(Path("config.yaml")).pipelines[0].training == training


@pytest.mark.parametrize(
    "words",
    [
        ("nowhere",),
        ("training", "-p", "p"),
        ("--pairs", "folders"),
        ("training", "--pairs", "heaps"),
        ("training", "--validation", "2"),
        ("training", "--image-size", "0"),
        ("-p", "nobody"),
    ],
)
def test_a_wrong_command_line_says_what_is_meant(
    words: tuple[str, ...], training: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("config.yaml").write_text(CONFIG)
    code, out = check(capsys, *words)
    assert code == 2
    assert "  try: " in out


def test_the_command_line_knows_every_layout_of_the_configuration() -> None:
    for pairs in KINDS:
        assert arguments.parser().parse(["check-training", "--pairs", pairs, "t"]).pairs == pairs


def test_a_picture_that_breaks_the_decoder_is_one_finding_and_no_end(
    training: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pixd.training.dataset.inspector.CHILD", "tests.support.fatal_inspector")
    (training / "fatal.png").write_bytes(b"ends the child that reads it")
    code, found = told(capsys, "training", "--image-size", "64")
    assert (code, found["pairs"]) == (1, 52)
    (one,) = found["findings"]
    assert one["groups"][0][0].startswith("fatal.png: decoding it crashes the decoder")


@pytest.mark.parametrize(
    ("pairs", "advice"),
    [
        ("side-by-side", "that have the two of a pair beside each other"),
        ("folders", "into a/ and b/ under the same name"),
        ("grayscale", "the input of each is made of it"),
    ],
)
def test_an_empty_folder_is_told_what_to_put_in(
    tmp_path: Path, pairs: str, advice: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out = check(capsys, str(tmp_path), "--pairs", pairs)
    assert code == 1
    assert advice in out
