"""Dropout on when translating: the bytes follow from the image and its noise, and nothing else."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from pixd.pix2pix.inference import tiled
from pixd.pix2pix.inference.batching import Square
from pixd.pix2pix.inference.decoding import Rows
from pixd.pix2pix.inference.engine import Noisy
from pixd.pix2pix.inference.sampling import make_sampling, masks_of
from pixd.pix2pix.network import generator as generation
from pixd.pix2pix.network import models
from tests.support.children import TEXT, Child, translate_spec

Start = Callable[..., Child]


def test_masks_follow_from_the_noise_and_drop_a_half() -> None:
    shapes = [(2, 2, 512), (4, 4, 512), (8, 8, 512)]
    first, again, other = (masks_of(noise, shapes) for noise in (b"0/1/a", b"0/1/a", b"0/2/a"))
    assert [mask.shape for mask in first] == shapes
    for mask, same, another in zip(first, again, other, strict=True):
        assert np.array_equal(mask, same)
        assert not np.array_equal(mask, another)
        assert 0.45 < mask.mean() < 0.55
    assert masks_of(b"x", []) == []
    # Written out: other bits would give every user's samples other bytes.
    digest = hashlib.sha256(np.packbits(np.concatenate([m.ravel() for m in first])).tobytes())
    assert digest.digest()[:4].hex() == "b73a99b2"


def test_an_image_has_the_same_bytes_alone_and_in_a_batch_of_others() -> None:
    generator = models.build_generator(32, 8)
    before = [weight.copy() for weight in generator.get_weights()]
    plain, sample = generation.make_generate(generator), make_sampling(generator)
    random = np.random.default_rng(0)
    images = list(random.integers(0, 256, (3, 32, 32, 3), dtype=np.uint8))
    noisy = [Noisy(image, b"0/1/%d" % at) for at, image in enumerate(images)]
    alone = [sample([one])[0] for one in noisy]
    for batch in ([0, 1, 2], [2, 0, 1, 2]):
        for at, made in zip(batch, sample([noisy[at] for at in batch]), strict=True):
            # Kernels may add in another order; masks of another image would change far more.
            assert np.abs(made.astype(int) - alone[at]).max() <= 1
    assert not np.array_equal(alone[0], plain(images[:1])[0])
    assert not np.array_equal(alone[0], sample([Noisy(images[0], b"0/2/0")])[0])
    # The layers are shared with the generator, which translates without dropout as before.
    assert np.array_equal(plain(images)[1], generation.make_generate(generator)(images)[1])
    for weight, was in zip(generator.get_weights(), before, strict=True):
        assert np.array_equal(weight, was)


def test_an_image_keeps_its_own_noise_where_products_are_apart() -> None:
    generator = models.for_computing(models.build_generator(32, 8), models.FLOAT32)
    sample = make_sampling(generator)
    images = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), dtype=np.uint8)
    noisy = [Noisy(image, b"0/1/%d" % at) for at, image in enumerate(images)]
    alone = np.concatenate([sample.values([one]) for one in noisy])
    assert np.abs(sample.values(noisy, apart=True) - alone).max() < 1e-5


def test_the_mean_of_many_samples_is_nearer_to_the_plain_output_than_they_are() -> None:
    generator = models.build_generator(32, 8)
    image = np.random.default_rng(1).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    sample = make_sampling(generator)
    made = sample([Noisy(image, b"%d" % number) for number in range(64)])
    plain = generation.make_generate(generator)([image])[0].astype(float)
    far = np.abs(np.asarray(made, float) - plain).mean()
    assert np.abs(np.mean(np.asarray(made, float), axis=0) - plain).mean() < far


def told(child: Child, number: int, image: Path, samples: tuple[int, ...]) -> list[bytes]:
    """Return the outputs of a request for these samples of an image."""
    outs = [image.parent / f"{number}-{sample}.png" for sample in samples]
    child.ask(
        id=number,
        image=str(image),
        digest="sha256:" + hashlib.sha256(image.read_bytes()).hexdigest(),
        samples=[
            {"out": str(out), "text": TEXT, "number": sample}
            for out, sample in zip(outs, samples, strict=True)
        ],
    )
    event = child.until(event="done", id=number)
    made = [out.read_bytes() for out in outs]
    assert [one["sha256"] for one in event["samples"]] == [
        "sha256:" + hashlib.sha256(data).hexdigest() for data in made
    ]
    assert all(one["size"] and one["ms"] for one in event["samples"])
    return made


def sampling(start: Start, folder: Path, trained: Path, **recipe: Any) -> Child:
    spec = translate_spec(folder, trained) | {"device": "cpu"}
    spec["recipe"] |= {"sample": True, **recipe}
    child = start("translator", spec, folder)
    child.until(event="ready")
    return child


def test_the_same_input_gives_the_same_samples_in_every_translator(
    start: Start, tmp_path: Path, trained: Path, pairs: list[dict[str, Any]]
) -> None:
    images = []
    for number, pair in enumerate(pairs[:3]):
        images.append(tmp_path / f"in-{number}.png")
        with Image.open(pair["images"][0]) as image:
            image.crop((0, 0, 40, 40)).save(images[-1])
    child = sampling(start, tmp_path, trained)
    made = [told(child, number, image, (1, 2, 3)) for number, image in enumerate(images)]
    assert len({data for each in made for data in each}) == 9
    # In another order, and alone.
    assert told(child, 10, images[2], (3, 1)) == [made[2][2], made[2][0]]
    assert told(child, 11, images[0], (2,)) == [made[0][1]]
    (tmp_path / "bad.png").write_bytes(b"no image")
    child.ask(
        id=12, image=str(tmp_path / "bad.png"), digest="",
        samples=[{"out": str(tmp_path / f"x{n}.png"), "text": TEXT, "number": n} for n in (1, 2)],
    )  # fmt: skip
    assert child.until(id=12)["event"] == "rejected"
    child.close()
    (tmp_path / "again").mkdir()
    cold = sampling(start, tmp_path / "again", trained)
    assert told(cold, 20, images[1], (1, 2, 3)) == made[1]
    cold.close()
    other = sampling(start, tmp_path / "again", trained, seed=1)
    assert not set(told(other, 30, images[1], (1, 2, 3))) & set(made[1])
    other.close()


def test_images_of_few_tiles_and_of_many_have_samples_too(
    start: Start, tmp_path: Path, trained: Path
) -> None:
    child = sampling(start, tmp_path, trained, fit="tile")
    for number, size in enumerate([(100, 40), (300, 200)]):  # of a few tiles, and of many
        image = tmp_path / f"plain-{number}.png"
        Image.new("RGB", size, (90, 120, 30)).save(image)
        first, second = told(child, number, image, (1, 2))
        assert told(child, 10 + number, image, (2,)) == [second]
        assert first != second
        with Image.open(tmp_path / f"{number}-1.png") as made:
            assert made.size == size
    child.close()


def test_each_tile_has_noise_of_its_own_by_its_place(tmp_path: Path) -> None:
    seen = []

    def put(square: Square) -> None:
        seen.append(square.pixels.noise)
        square.deliver(square.pixels.pixels, 0.0)

    whole = np.zeros((60, 90, 3), np.uint8)
    rows = Rows(90, 60, 3, tiled.reader_of(whole))
    tiled.translate(
        rows, tmp_path / "x.png", TEXT, size=32, pairs=None, put=put, at_once=4,
        told=lambda _done, _of: None, noise=b"0/1/sha256:ab",
    )  # fmt: skip
    assert seen == [b"0/1/sha256:ab/%d/%d" % (row, at) for row in range(3) for at in range(4)]
