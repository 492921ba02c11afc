"""The promises of lineage, through the real command line on a tiny pipeline."""

from __future__ import annotations

import json
import shutil
from typing import Any

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from pixd.system.digests import hash_file
from tests.support.tiny import Tiny, pair


def first_outputs(tiny: Tiny) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((tiny.folder / "first").iterdir())}


def ask(tiny: Tiny, *words: str) -> Any:
    done = tiny.pixd(*words, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def say(tiny: Tiny, *words: str) -> str:
    done = tiny.pixd(*words)
    assert done.returncode == 0, done.stderr
    return done.stdout


def training_images(trace: dict[str, Any]) -> set[str]:
    dataset = trace["outputs"][0]["model"]["dataset"]["pairs"]
    return {f["path"] for part in dataset.values() for pair in part for f in pair["files"]}


def test_a_folder_restored_means_the_old_model_and_outputs_without_work(two: Tiny) -> None:
    trained, translated = two.runs("train"), two.runs("translate")
    (two.folder / "training" / ".hidden").write_text("mine")
    done = two.pixd("restore", "training@1", "--yes")
    assert done.returncode == 0, done.stderr + done.stdout
    two.configure()
    two.once()
    part = two.part()
    assert part["model"]["number"] == 1
    assert two.outputs() == first_outputs(two)
    assert (two.runs("train"), two.runs("translate")) == (trained, translated)
    assert (two.folder / "training" / ".hidden").read_text() == "mine"


def test_a_restore_asks_first_and_never_removes_what_is_not_recorded(two: Tiny) -> None:
    unseen = two.folder / "training" / "just-dropped.png"
    pair(99).save(unseen)
    done = two.pixd("restore", "training@1")
    assert done.returncode == 2
    assert "--yes" in done.stderr
    assert (two.folder / "training" / "012.png").exists()
    done = two.pixd("restore", "training@1", "--yes")
    assert done.returncode == 1
    assert "just-dropped.png" in done.stderr
    assert unseen.exists()
    assert not (two.folder / "training" / "012.png").exists()


def test_a_version_is_written_elsewhere_byte_for_byte(two: Tiny) -> None:
    out = two.folder / "copy"
    say(two, "restore", "training@2", "--to", str(out))
    assert {p.name: p.read_bytes() for p in out.iterdir()} == {
        p.name: p.read_bytes() for p in (two.folder / "training").iterdir()
    }
    again = two.pixd("restore", "training@1", "--to", str(out))
    assert again.returncode == 1
    assert "there already" in again.stderr


def test_a_rollback_survives_a_restart_and_a_new_scan(two: Tiny) -> None:
    result = ask(two, "rollback")
    assert (result["model"], result["before"]) == ("model@1", "model@2")
    two.once()
    assert two.outputs() == first_outputs(two)
    assert "pinned" in two.pixd("status").stdout
    two.pairs(range(14))
    two.configure()  # other data and settings: a training would be due and may not replace it
    (two.folder / "training" / "013.png").unlink()
    two.once()
    part = two.part()
    assert part["model"]["number"] == 1
    assert part["model"]["pinned"]
    say(two, "unpin")
    two.configure(l1_weight=50)
    two.once()
    assert two.part()["model"]["number"] == 2


def test_rolling_back_past_the_first_model_says_that_there_is_none(two: Tiny) -> None:
    say(two, "rollback")
    done = two.pixd("rollback")
    assert done.returncode == 1
    assert "before model@1" in done.stderr
    assert two.pixd("promote", "model@7").returncode == 2
    assert two.pixd("promote", "live").returncode == 2


def test_a_recall_leaves_nothing_that_descends_from_the_image(two: Tiny) -> None:
    image = two.folder / "training" / "012.png"
    digest = hash_file(image)
    planned = ask(two, "recall", "training/012.png")
    assert [m["name"] for m in planned["models"]] == ["model@2"]
    assert (planned["live"], planned["live_after"]) == ("model@2", "model@1")
    assert two.part()["training"]["commit"] == 2  # a dry run by default
    done = ask(two, "recall", "training/012.png", "--yes")
    assert done["commits"] == ["training@3"]
    assert image.exists()
    assert two.pixd("promote", "model@2").returncode == 1
    two.once()
    proof = ask(two, "recall", "training/012.png", "--proof")
    assert proof["outputs"] == []
    assert proof["checked"] == 3
    for name in two.outputs():
        found = ask(two, "trace", str(two.folder / "output" / name))
        assert digest not in json.dumps(found)
        assert found["outputs"][0]["model"]["name"] == "model@3"
    # It stays out, also under another name and after a restart.
    shutil.copy(image, two.folder / "training" / "again.png")
    two.once()
    part = two.part()
    assert (part["training"]["pairs"], part["training"]["rejected"]) == (12, 2)
    assert two.runs("train") == 3
    assert "recalled" in say(two, "why", "training/again.png")


def test_a_recall_that_leaves_no_model_withdraws_until_the_retrain(two: Tiny) -> None:
    edited = two.folder / "output" / "in-001.png"
    edited.write_bytes(b"painted over")
    done = ask(two, "recall", "training/003.png", "--yes")
    assert done["live_after"] is None
    assert sorted(done["withdrawn"]) == ["in-000.png", "in-001.png", "in-002.png"]
    assert list(two.outputs()) == ["in-001.png"]  # edited by hand: not pixd's to take away
    assert two.part()["model"] is None
    two.once()
    assert two.part()["model"]["number"] == 3
    assert two.outputs()["in-001.png"] == b"painted over"
    assert list(two.outputs()) == ["in-000.png", "in-001.png", "in-002.png"]
    # Undone, everything is as before without work.
    trained = two.runs("train")
    say(two, "recall", "--undo", "training/003.png")
    two.once()
    assert two.part()["model"]["number"] == 2
    assert two.runs("train") == trained


def test_a_recalled_input_loses_its_output(two: Tiny) -> None:
    ask(two, "recall", "input/in-002.png", "--yes")
    assert list(two.outputs()) == ["in-000.png", "in-001.png"]
    two.once()
    part = two.part()
    assert list(two.outputs()) == ["in-000.png", "in-001.png"]
    assert (part["input"]["translated"], part["input"]["rejected"]) == (2, 1)


def test_a_renamed_copy_is_traced_to_every_training_image_by_name(two: Tiny) -> None:
    copy = two.folder / "anything.bin"
    shutil.copy(two.folder / "output" / "in-000.png", copy)
    found = ask(two, "trace", str(copy))
    assert found["found_by"] == "content"
    names = {p.name for p in (two.folder / "training").iterdir()}
    assert training_images(found) == names
    assert found["outputs"][0]["input"]["path"] == "in-000.png"
    assert found["outputs"][0]["model"]["training_run"]["recipe"]["l1_weight"] == 50
    text = say(two, "trace", str(copy), "--all")
    assert all(name in text for name in names)


def test_a_copy_saved_again_is_traced_by_its_text_chunks(two: Tiny) -> None:
    copy = two.folder / "saved-again.png"
    with Image.open(two.folder / "output" / "in-000.png") as image:
        info = PngInfo()
        for number, (name, value) in enumerate(image.info.items()):
            if isinstance(value, str):
                info.add_text(str(name), value, zip=number % 2 == 1)
        image.convert("P").save(copy, pnginfo=info)
    found = ask(two, "trace", str(copy))
    assert found["found_by"] == "text"
    assert found["made_by"][0]["input"]["path"] == "in-000.png"
    with Image.open(copy) as image:
        image.convert("RGB").save(two.folder / "bare.png")
    bare = two.pixd("trace", "bare.png")
    assert bare.returncode == 1
    assert "nothing is known" in bare.stderr


def test_a_training_image_is_traced_to_models_and_outputs(two: Tiny) -> None:
    found = ask(two, "trace", "training/012.png")
    assert [m["name"] for m in found["training"]["models"]] == ["model@2"]
    assert found["training"]["models"][0]["outputs"] == {"current": 3}
    assert "output_files" not in found["training"]["models"][0]
    found = ask(two, "trace", "training/012.png", "--all")
    learned = found["training"]["models"][0]["output_files"]
    assert [o["path"] for o in learned] == ["in-000.png", "in-001.png", "in-002.png"]
    assert learned[0]["digest"] == hash_file(two.folder / "output" / "in-000.png")
    assert "    in-002.png  current, 20" in say(two, "trace", "training/012.png", "--all")
    found = ask(two, "trace", hash_file(two.folder / "training" / "000.png")[:20])
    assert [m["name"] for m in found["training"]["models"]] == ["model@1", "model@2"]
    found = ask(two, "trace", "input/in-001.png")
    assert [o["model"] for o in found["input"]["outputs"]] == ["model@2", "model@1"]


def test_other_tools_read_a_trace(two: Tiny) -> None:
    output = str(two.folder / "output" / "in-000.png")
    events = json.loads(say(two, "trace", output, "--format", "openlineage"))
    assert [e["job"]["name"] for e in events] == ["train", "translate"]
    assert all(e["eventType"] == "COMPLETE" and e["run"]["runId"] for e in events)
    assert len(events[0]["inputs"]) == 13
    assert events[0]["outputs"][0]["name"] in {i["name"] for i in events[1]["inputs"]}
    document = json.loads(say(two, "trace", output, "--format", "prov"))
    used = {u["prov:entity"] for u in document["used"].values()}
    generated = {g["prov:entity"] for g in document["wasGeneratedBy"].values()}
    assert used | generated == document["entity"].keys()
    assert len(used & generated) == 1  # the model


def test_one_drop_and_all_that_came_of_it_share_one_change(two: Tiny) -> None:
    change = ask(two, "log", "training", "-n", "1")[0]["change_id"]
    found = ask(two, "show", change)
    assert [c["name"] for c in found["commits"]] == ["training@2"]
    assert found["runs"] == {
        "train": {"succeeded": 1},
        "export": {"succeeded": 1},
        "translate": {"succeeded": 3},
    }
    assert [r["model"] for r in found["refs"]] == ["model@2"]
    assert found["outputs"] == {"current": 3}
    assert "model@2 is live" in say(two, "log", change[:6])


def test_why_names_the_difference_of_the_key(two: Tiny) -> None:
    assert "+1 pair, l1_weight 100 -> 50" in say(two, "why", "run@6")
    assert "model@1 -> model@2" in say(two, "why", str(two.folder / "output" / "in-000.png"))
    (two.folder / "training" / "bad.png").write_bytes(b"no picture")
    (two.folder / "input" / "bad.jpg").write_bytes(b"no picture either")
    (two.folder / "input" / "half.png.part").write_bytes(b"")
    two.once()
    assert ask(two, "why", "training/bad.png")["state"] == "rejected"
    assert ask(two, "why", "bad.jpg")["state"] == "rejected"
    assert ask(two, "why", "input/half.png.part")["state"] == "ignored"
    assert ask(two, "why", "input/never.png")["state"] == "unknown"
    (two.folder / "training" / "000.png").unlink()
    assert two.pixd("why", "/etc/passwd").returncode == 2


def test_plan_says_what_would_happen_and_changes_nothing(two: Tiny) -> None:
    two.once()  # a copied folder has other inodes: let it be read once
    plan = ask(two, "plan")["tiny"]
    assert plan["train"]["action"] == "none"
    assert plan["translate"]["due"] == 0
    two.configure()
    plan = ask(two, "plan")["tiny"]
    assert plan["train"]["action"] == "run"
    assert plan["train"]["why"] == "l1_weight 50 -> 100"
    assert plan["train"]["steps"] == 4
    assert plan["train"]["seconds"] > 0
    assert plan["translate"]["due_after_training"] == 3
    (two.folder / "training" / "012.png").unlink()
    pair(50).save(two.folder / "training" / "050.png")
    assert ask(two, "plan")["tiny"]["changes"]["training"] == {
        "added": 1, "changed": 0, "removed": 1,
    }  # fmt: skip
    assert two.runs("train") == 2


def test_versions_and_models_are_compared(two: Tiny) -> None:
    found = ask(two, "diff", "training@1", "training@2")
    assert list(found["added"]) == ["012.png"]
    sheet = two.folder / "sheet.png"
    say(two, "diff", "training@1", "training@2", "--images", str(sheet))
    with Image.open(sheet) as image:
        assert len(image.convert("RGB").getcolors(100000) or []) > 10
    found = ask(two, "diff", "model@1", "model@2")
    assert found["settings"] == ["l1_weight 100 -> 50"]
    assert found["data"]["pairs"] == ["+1 pair"]
    assert two.pixd("diff", "training@1", "model@1").returncode == 2


def test_an_exported_model_carries_its_receipt(two: Tiny) -> None:
    say(two, "export", "model@1", str(two.folder / "exported"))
    receipt = json.loads((two.folder / "exported" / "receipt.json").read_text())
    assert receipt["model"]["dataset"]["commit"] == "training@1"
    pairs = receipt["model"]["dataset"]["pairs"]
    assert len(pairs["train"]) + len(pairs["held_out"]) == 12


def test_an_edited_output_gets_the_new_one_beside_only_when_asked(two: Tiny) -> None:
    edited = two.folder / "output" / "in-000.png"
    edited.write_bytes(b"painted over")
    say(two, "rollback")
    two.once()
    assert edited.read_bytes() == b"painted over"
    assert not (two.folder / "output" / "in-000.new.png").exists()
    assert two.part()["output"]["edited"] == 1
    say(two, "retry", "output/in-000.png")
    beside = two.folder / "output" / "in-000.new.png"
    assert beside.read_bytes() == first_outputs(two)["in-000.png"]
    assert edited.read_bytes() == b"painted over"
    explained = ask(two, "why", "output/in-000.new.png")
    assert explained["state"] == "copy"
    assert "from input/in-000.png in run@" in explained["why"][0]
    assert ask(two, "why", "output/nobody.png")["state"] == "unknown"
    assert "pixd retry output/in-000.png" in say(two, "why", "output/in-000.png")
    found = ask(two, "trace", "output/in-000.png")
    assert (found["found_by"], found["digest"]) == ("name", hash_file(edited))
    assert found["outputs"][0]["input"]["path"] == "in-000.png"


def test_a_running_service_is_asked_and_the_change_is_waited_for(two: Tiny) -> None:
    two.start({"pixd.translation.lost_outputs.MOST_OFTEN_S": 0.2})
    (two.folder / "input" / "bad.png").write_bytes(b"no picture")
    assert two.pixd("wait", "--timeout", "60").returncode == 0
    result = ask(two, "rollback")
    done = two.pixd("wait", result["change"], "--timeout", "60")
    assert done.returncode == 0, done.stderr
    outputs = two.outputs()
    assert {name: outputs[name] for name in first_outputs(two)} == first_outputs(two)
    # A refused file is taken up again only when asked.
    assert ask(two, "retry", "bad.png")["retried"] == ["input/bad.png"]
    assert two.pixd("wait", "--timeout", "60").returncode == 0
    assert two.part()["input"]["rejected"] == 1
    assert two.pixd("retry", "in-000.png").returncode == 1
    # A deleted output comes back by itself.
    (two.folder / "output" / "in-000.png").unlink()
    two.until(lambda _: "in-000.png" in two.outputs())
    # A drop is followed by its own change.
    pair(70).crop((0, 0, 32, 32)).save(two.folder / "input" / "late.png")
    two.until(lambda p: p["input"]["commit"] == 3)
    change = ask(two, "log", "input", "-n", "1")[0]["change_id"]
    assert two.pixd("wait", change, "--timeout", "90").returncode == 0
    assert (two.folder / "output" / "late.png").exists()
    assert two.pixd("wait", "ffffffffff").returncode == 2
    assert two.stop() == 0
    assert two.pixd("unpin").returncode == 0  # without a service: under the lock
    assert not (two.folder / "store" / "control.sock").exists()


def test_gc_is_dry_by_default_and_its_trash_gives_everything_back(two: Tiny) -> None:
    config = two.folder / "config.yaml"
    config.write_text(config.read_text() + "    keep:\n      models: 1\n")
    found = ask(two, "gc")
    assert {one["name"] for one in found["garbage"]} == {
        f"tiny/output/in-00{n}.png by model@1" for n in range(3)
    }
    assert ask(two, "gc", "--apply")["trash"][0]["objects"] == 3
    assert two.pixd("verify").returncode == 0
    ask(two, "gc", "--undo")
    translated = two.runs("translate")
    say(two, "rollback")
    two.once()
    assert two.outputs() == first_outputs(two)
    assert two.runs("translate") == translated


def test_a_flipped_byte_in_an_output_and_in_an_object_is_named(two: Tiny) -> None:
    output = two.folder / "output" / "in-001.png"
    digest = hash_file(output).removeprefix("sha256:")
    kept = two.folder / "store" / "objects" / digest[:2] / digest[2:]
    kept.chmod(0o644)
    for path in (output, kept):
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
    done = two.pixd("verify", "--json")
    assert done.returncode == 1
    found = {(f["what"], f["name"]): f for f in json.loads(done.stdout)["findings"]}
    assert set(found) == {("output", "tiny/in-001.png"), ("object", "sha256:" + digest)}
    depends = found["object", "sha256:" + digest]["depends"]
    assert "tiny/output/in-001.png (current)" in depends
