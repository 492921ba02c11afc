"""The translator, export and score workers, really run on the model of a tiny training run."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from pixd.system.children.spec import SCHEMA
from tests.support.children import TEXT, Child, digest_of, result_of, translate_spec

pytestmark = pytest.mark.fresh  # each of these programs, as pixd starts it
Start = Callable[..., Child]
Pairs = list[dict[str, Any]]


def test_a_translator_gives_the_same_bytes_alone_and_in_a_crowd(
    tmp_path: Path, trained: Path, start: Start, pairs: Pairs
) -> None:
    child = start("translator", translate_spec(tmp_path, trained), tmp_path)
    assert child.until(event="ready")["device"] in ("cpu", "gpu")

    def ask(number: int, image: str) -> None:
        child.ask(id=number, image=image, out=str(tmp_path / f"{number}.png"), text=TEXT)

    images = [pair["images"][0] for pair in pairs]
    alone = []
    for number, image in enumerate(images[:3]):
        ask(number, image)
        alone.append(child.until(event="done", id=number)["sha256"])
    for number, image in enumerate(images * 3, start=100):
        ask(number, image)
    answers: dict[int, dict[str, Any]] = {}
    while len(answers) < 3 * len(images):
        answer = child.until(event="done")
        answers[answer["id"]] = answer
    for number, answer in answers.items():
        same = answers[100 + (number - 100) % len(images)]
        assert answer["sha256"] == same["sha256"]
        data = (tmp_path / f"{number}.png").read_bytes()
        assert answer["sha256"] == "sha256:" + hashlib.sha256(data).hexdigest()
        assert answer["size"] == len(data)
    assert [answers[100 + at]["sha256"] for at in range(3)] == alone
    assert len(set(alone)) == 3
    with Image.open(tmp_path / "100.png") as image:
        assert image.mode == "RGB"
        assert image.size == (80, 40) == (answers[100]["width"], answers[100]["height"])
        assert TEXT.items() <= image.info.items()

    (tmp_path / "bad.png").write_bytes(b"no image")
    ask(7, str(tmp_path / "bad.png"))
    assert child.until(id=7)["event"] == "rejected"
    ask(8, str(tmp_path / "missing.png"))
    assert child.until(id=8)["event"] == "failed"
    ask(9, images[0])
    assert child.until(event="done", id=9)["sha256"] == alone[0]

    assert child.process.stdin is not None
    child.process.stdin.close()
    assert child.ended() == 0


def test_a_translator_without_its_model_says_so(tmp_path: Path, start: Start) -> None:
    child = start("translator", translate_spec(tmp_path, tmp_path), tmp_path)
    assert "cannot be read" in child.until(event="note")["message"]
    assert child.ended() == 1
    assert result_of(tmp_path)["state"] == "failed"


def test_an_export_gives_what_the_model_gives(tmp_path: Path, trained: Path, start: Start) -> None:
    spec = {
        "schema": SCHEMA,
        "kind": "export",
        "scratch": str(tmp_path),
        "model": str(trained / "model"),
        "files": {"generator.keras": digest_of(trained / "model" / "generator.keras")},
    }
    child = start("export", spec, tmp_path)
    assert child.ended() == 0, child.log.read_text()
    result = result_of(tmp_path)
    assert result["metrics"]["largest_difference"] < 1e-5
    assert {output["role"] for output in result["outputs"]} == {
        *("generator", "card", "readme", "saved_model"),
    }
    for output in result["outputs"]:
        assert (tmp_path / output["path"]).stat().st_size == output["size"]
    kinds = _operations_of(tmp_path / "export/saved_model/saved_model.pb")
    assert {"Conv2D", "Conv2DBackpropInput"} <= kinds
    # So the layers are Keras' own: those that pixd computes with multiply matrices.
    assert "MatMul" not in kinds
    readme = (tmp_path / "export/README.md").read_text()
    assert "model.json" in readme
    assert re.search(r"Held-out L1 [\d.]+ of 255 on \d+ pairs.*the mean of all targets has", readme)


def _operations_of(saved_model: Path) -> set[str]:
    from tensorflow.core.protobuf import saved_model_pb2

    whole = saved_model_pb2.SavedModel.FromString(saved_model.read_bytes())
    functions = whole.meta_graphs[0].graph_def.library.function
    return {node.op for function in functions for node in function.node_def}


def test_scores_are_put_beside_baselines_that_learned_nothing(
    tmp_path: Path, start: Start, pairs: Pairs
) -> None:
    triples, outputs = [], {}
    for pair in pairs[12:]:
        whole = Image.open(pair["images"][0])
        for at, half in enumerate(("input", "target")):
            whole.crop((40 * at, 0, 40 * at + 40, 40)).save(tmp_path / f"{half}-{pair['name']}")
        paths = {half: str(tmp_path / f"{half}-{pair['name']}") for half in ("input", "target")}
        triples.append({"name": pair["name"], **paths})
        outputs[pair["name"]] = paths["target"]
    spec = {
        "schema": SCHEMA,
        "kind": "score",
        "scratch": str(tmp_path),
        "size": 40,
        "triples": triples,
        "train": [{"pair": pair["images"][0]} for pair in pairs[:12]],
        "direction": "AtoB",
        "runs": {"perfect": outputs, "half done": dict(list(outputs.items())[:2])},
    }
    child = start("score", spec, tmp_path)
    assert child.ended() == 0, child.log.read_text()
    rows = result_of(tmp_path)["metrics"]["rows"]
    assert list(rows) == sorted(rows)
    assert set(rows) == {
        *("identity", "mean target", "colour matrix", "nearest input"),
        *("perfect", "half done"),
    }
    assert rows["perfect"]["l1"] == 0
    assert rows["half done"]["n"] == 2
    # The task is one affine map of colours: the colour matrix must solve it.
    assert rows["colour matrix"]["l1"] < 5 < rows["mean target"]["l1"] < rows["identity"]["l1"]


def test_pictures_are_drawn_as_a_translator_draws_them_and_without_tensorflow(
    tmp_path: Path, trained: Path, start: Start, pairs: Pairs
) -> None:
    translator = translate_spec(tmp_path, trained)
    recipe = {"pairs": "side-by-side", "direction": "AtoB", "fit": "pad"}
    told = {name: translator[name] for name in ("schema", "scratch", "model", "files")}
    spec = {
        **told, "kind": "pictures", "recipe": recipe, "precision": "float32", "pairs": pairs[:1]
    }  # fmt: skip
    path = tmp_path / "pictures.json"
    path.write_text(json.dumps(spec))
    script = (
        "import sys, pixd.pix2pix.pictures as p; from pixd.system.children import task\n"
        "code = task.run(p.PicturesSpec, p.make_pictures)\n"
        "assert not {'tensorflow', 'keras'} & set(sys.modules)\n"
        "sys.exit(code)"
    )
    command = [sys.executable, "-c", script, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as drawing:
        assert drawing.wait(120) == 0  # it would leave at the end of its stdin
    (told,) = result_of(tmp_path)["pictures"]
    shown = {part: tmp_path / file for part, file in told["files"].items()}

    child = start("translator", {**translator, "device": "cpu"}, tmp_path / "t")
    child.until(event="ready")
    out = tmp_path / "out.png"
    child.ask(id=1, image=str(shown["input"]), out=str(out), text={})
    child.until(event="done", id=1)
    with Image.open(out) as made, Image.open(shown["output"]) as output:
        assert made.tobytes() == output.tobytes()


@pytest.mark.parametrize("module", ["train", "export", "score", "translator", "pictures", "device"])
def test_importing_a_worker_imports_no_tensorflow(module: str) -> None:
    code = (
        f"import sys, json, pixd.pix2pix.{module}; print(json.dumps('tensorflow' in sys.modules))"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert json.loads(ended.stdout) is False
