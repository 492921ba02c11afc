"""`keep.orphans: false`: an output goes with its input, and nothing else does."""

from __future__ import annotations

import shutil

import yaml

from tests.support.tiny import Tiny


def forbid_orphans(tiny: Tiny) -> None:
    path = tiny.folder / "config.yaml"
    tree = yaml.safe_load(path.read_text())
    tree["pipelines"]["tiny"]["keep"] = {"orphans": False}
    path.write_text(yaml.safe_dump(tree))


def test_an_output_goes_and_comes_back_with_its_input(trained: Tiny) -> None:
    source, output = trained.folder / "input", trained.folder / "output"
    made, translations = trained.outputs(), trained.runs("translate")
    aside = trained.folder / "aside.png"

    # An orphan from before the setting goes too: the folder follows what is configured.
    shutil.move(source / "in-000.png", aside)
    trained.once()
    assert trained.part()["output"]["orphaned"] == 1
    assert "in-000.png" in trained.outputs()
    forbid_orphans(trained)
    trained.once()
    assert sorted(trained.outputs()) == ["in-001.png", "in-002.png"]
    assert trained.part()["output"]["orphaned"] == 0
    told = trained.pixd("why", "output/in-000.png").stdout
    assert "its input is gone, and the output with it" in told

    # An edited output is a person's work and stays; so does a file that pixd did not make.
    (output / "in-001.png").write_bytes(b"retouched by hand")
    (output / "notes.txt").write_text("mine")
    (source / "in-001.png").unlink()
    trained.once()
    assert sorted(trained.outputs()) == ["in-001.png", "in-002.png", "notes.txt"]
    assert (output / "in-001.png").read_bytes() == b"retouched by hand"

    # What comes back has its output again, without a translation.
    shutil.move(aside, source / "in-000.png")
    trained.once()
    assert trained.outputs()["in-000.png"] == made["in-000.png"]
    assert trained.runs("translate") == translations
