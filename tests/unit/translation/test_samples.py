"""Several outputs of one input: their recipes, their keys, and what is due of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from pixd.config import PipelineSettings
from pixd.store.file_rows import DueInput
from pixd.translation import due, translator
from pixd.translation.intents import Made
from pixd.translation.recipe import translate_recipe
from pixd.translation.samples import number_in, samples_of

PLAIN = PipelineSettings(
    name="p", training=Path("training"), input=Path("input"), output=Path("output")
)
ONE = replace(PLAIN, sample=True)
THREE = replace(ONE, samples=3)


def recipe(pipeline: PipelineSettings, **trained: object) -> dict[str, object]:
    return translate_recipe(pipeline, "auto", 256, "side-by-side", trained)


def test_only_samples_after_the_first_say_so_in_their_recipe() -> None:
    assert recipe(PLAIN, seed=7) == recipe(PLAIN) == {**recipe(ONE), "sample": False}
    (lone,) = samples_of(ONE, recipe(ONE))
    first, second, third = samples_of(THREE, recipe(THREE))
    assert first == lone
    assert second.settings == {**lone.settings, "sample_number": 2}
    assert [number_in(each.settings) for each in (first, second, third)] == [1, 2, 3]
    assert len({first.recipe, second.recipe, third.recipe}) == 3


def test_dropout_has_the_seed_of_the_training_that_made_the_model() -> None:
    # Else a changed train.seed would replace every output twice: now, and by the next model.
    assert recipe(ONE, seed=7)["seed"] == 7
    assert recipe(ONE)["seed"] == ONE.train.seed == 0


def test_each_sample_is_made_published_again_or_joined_by_its_own_key() -> None:
    first, second, third = (each.recipe for each in samples_of(THREE, recipe(THREE)))
    made_before = due.key_of(second, "new", "model")
    inputs = [DueInput("a.jpg", "new", 0, "c"), DueInput("b.jpg", "held", 0, "c")]
    work = due.sort_out(
        inputs,
        due.Known(
            model="model", recipe=first, more=(second, third), refusals={}, held={"held"},
            is_input=lambda _: False, made=lambda key: (7, "png") if key == made_before else None,
        ),
    )  # fmt: skip
    a, b = inputs
    assert work.again == [Made(7, "png", (a,), 2)]
    assert work.joins == {"held": (b,)}
    assert work.new == [
        due.New(due.key_of(first, "new", "model"), "new", (a,), 1),
        due.New(due.key_of(third, "new", "model"), "new", (a,), 3),
    ]


def test_several_images_of_one_input_are_one_request() -> None:
    wanted = [translator.Wanted(f"key{n}", n, Path(f"{n}.png")) for n in (1, 3)]
    asked = {"input_digest": "sha256:ab", "model_digest": "m", "version": "v"}
    one = translator.request(Path("x"), wanted[:1], **asked)
    several = translator.request(Path("x"), wanted, **asked)
    assert (one["out"], one["number"], one["text"]["pixd:run"]) == ("1.png", 1, "key1")
    assert [(each["out"], each["number"]) for each in several["samples"]] == [
        ("1.png", 1),
        ("3.png", 3),
    ]
    assert translator.made_in({"sha256": "a"}) == [{"sha256": "a"}]
    two: list[Mapping[str, object]] = [{"sha256": "a"}, {"sha256": "b"}]
    assert translator.made_in({"samples": two}) == two
