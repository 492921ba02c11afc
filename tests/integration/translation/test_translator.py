"""The service, `pixd translate` and `pixd doctor` prepare a model alike, and find the same work."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from pixd.config import Settings
from pixd.config.load import load
from pixd.store import connection, model_files
from pixd.store.file_rows import DueInput
from pixd.store.models import Model
from pixd.store.opening import open_store
from pixd.system.children.spawner import LocalSpawner
from pixd.translation import due, translator
from pixd.translation.intents import Made
from tests.integration.service.test_control_service import ONE, add_model
from tests.support.commits import record


class World:
    """A store with one live model, seen as the service sees it and as a command does."""

    def __init__(self, folder: Path) -> None:
        (folder / "config.yaml").write_text(ONE)
        self.settings: Settings = load(folder / "config.yaml")
        self.pipeline = self.settings.pipelines[0]
        self.store = open_store(self.settings.store)
        record(self.store, self.store.history.repo_id("p", "training"), {"a.png": b"a"}, [])
        add_model(self.store, 1)
        live = self.store.models.live("p")
        assert live is not None
        self.model: Model = live
        self.laid_out = model_files.folder_of(self.settings.store, live.digest)
        self.apart_folder = folder / "apart"
        self.apart_folder.mkdir()

    def in_service(self) -> translator.Prepared:
        return translator.prepare(self.store, self.settings, self.pipeline, self.model)

    def apart(self) -> translator.Prepared:
        reader = connection.open_reader(self.settings.store)
        model = translator.model_of(reader, "p", None)
        reader.close()
        folder = self.apart_folder
        return translator.start_apart(
            self.settings, self.pipeline, model, folder, LocalSpawner()
        ).prepared


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    yield world
    world.store.close()


def test_both_ask_the_child_for_the_same(world: World) -> None:
    service, apart = world.in_service(), world.apart()
    assert service == apart
    specs = [
        translator.run_spec(world.settings, world.pipeline, prepared)
        for prepared in (service, apart)
    ]
    assert specs[0] == specs[1]
    assert world.store.runs.add_recipe("translate", service.settings) == service.recipe


def test_files_that_are_not_laid_out_are_no_damage_to_either(world: World) -> None:
    service = world.in_service()
    shutil.rmtree(world.laid_out)  # the service lays them out again, a command cannot
    apart = world.apart()
    assert apart.folder == world.apart_folder / "model"
    assert apart._replace(folder=service.folder) == service
    for name in service.files:
        assert (apart.folder / name).read_bytes() == (world.in_service().folder / name).read_bytes()
    assert not any(world.laid_out.is_symlink() for _ in apart.files)


@pytest.mark.parametrize("damage", ["an object is gone", "no card", "no JSON", "no size"])
def test_both_say_the_same_of_a_damaged_model(world: World, damage: str) -> None:
    card = world.in_service().folder / "model.json"
    bytes_of = {"no card": b"[]", "no JSON": b"{", "no size": b'{"pairs": "side-by-side"}'}
    card.unlink()  # a link to an object
    if damage in bytes_of:
        card.write_bytes(bytes_of[damage])
    else:
        digest = world.apart().files["model.json"].digest
        shutil.rmtree(world.apart_folder / "model")
        world.store.objects.path_of(digest).unlink()
    said = []
    for look in (world.in_service, world.apart):
        with pytest.raises(translator.DamagedModelError) as caught:
            look()
        said.append((caught.value.message, caught.value.advice))
    assert said[0] == said[1]
    assert said[0][0].startswith("the files of model@1 cannot be read (")


def test_inputs_are_refused_published_again_joined_or_made() -> None:
    def inp(name: str, digest: str) -> DueInput:
        return DueInput(name, digest, 0, "c1")

    made = due.key_of("recipe", "made", "model")
    inputs = [
        inp("a.jpg", "new"), inp("b.jpg", "new"), inp("c.jpg", "made"), inp("d.jpg", "held"),
        inp("e.jpg", "bad"), inp("f.jpg", "new"),
    ]  # fmt: skip
    known = due.Known(
        model="model",
        recipe="recipe",
        refusals={"bad": "no image", "made": ""},
        is_input=lambda name: name == "f.jpg.png",
        made=lambda key: (7, "output") if key == made else None,
        held={"held"},
    )
    work = due.sort_out(inputs, known)
    assert [(i.name, why[:10]) for i, why in work.refused] == [
        ("e.jpg", "no image"),
        ("f.jpg", "its output"),
    ]
    assert work.again == [Made(7, "output", (inputs[2],))]
    assert work.joins == {"held": (inputs[3],)}
    assert work.new == [due.New(due.key_of("recipe", "new", "model"), "new", tuple(inputs[:2]))]
