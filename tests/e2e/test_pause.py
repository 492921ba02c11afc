"""`pixd pause` and `pixd resume` through the real command line."""

from __future__ import annotations

import json

from tests.support.tiny import Tiny, picture


def test_a_paused_pipeline_records_and_starts_nothing_until_it_is_resumed(trained: Tiny) -> None:
    runs = (trained.runs("train"), trained.runs("translate"))
    trained.start()
    done = trained.pixd("pause")
    assert done.returncode == 0, done.stderr
    assert "tiny is paused" in done.stdout
    trained.pairs(range(14))
    picture(55).save(trained.folder / "input" / "later.png")

    # Waiting ends, and says that work is left.
    done = trained.pixd("wait", "--timeout", "60")
    assert done.returncode == 1
    assert "tiny is paused: 1 input waits, a training is due" in done.stderr
    part = trained.part()
    assert part["training"]["pairs"] == 14, "it is recorded all the same"
    assert part["input"]["queued"] == 1
    assert part["train"]["state"] == "paused"
    assert part["paused"]["who"]
    status = trained.status()
    assert status["state"] == "ok"
    assert trained.pixd("status").stdout.startswith("OK, paused (tiny)")

    # It is remembered across a restart, and shown without a service.
    assert trained.stop() == 0
    assert trained.part()["train"]["state"] == "paused"
    trained.once()
    assert (trained.runs("train"), trained.runs("translate")) == runs
    assert not (trained.folder / "output" / "later.png").exists()

    # Without a service it is the command itself that changes the store.
    done = trained.pixd("resume", "--json")
    assert done.returncode == 0, done.stderr
    (result,) = json.loads(done.stdout)["pipelines"]
    assert result == {
        "pipeline": "tiny", "paused": False, "changed": True, "accepted": [], "missing": [],
    }  # fmt: skip
    assert "tiny was not paused" in trained.pixd("resume").stdout
    trained.once()
    assert trained.runs("train") == runs[0] + 1
    assert (trained.folder / "output" / "later.png").exists()
    assert trained.part()["paused"] is None
