"""The `ray` key of config.yaml: the cluster that children run on with `engine: ray`.

It may be there with `engine: local` too, so that one word changes between both. Leaves to others:
whether the token can be read and the cluster answers (`pixd.cluster` and `pixd doctor`).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pixd.config.reading import read_keys
from pixd.config.settings import RaySettings, RayTrainSettings, RayTranslateSettings
from pixd.system import host_port

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pixd.config.document import Section
    from pixd.config.folders import Folders

_EXPECTED = "the address of the cluster's head, such as 10.0.0.5:6379"


def read_ray(root: Section, folders: Folders, keys: Mapping[str, Any]) -> RaySettings:
    """Return what the file says of the cluster.

    Args:
        root: the file.
        folders: makes paths absolute.
        keys: `engine` and `device`. With the engine ray, address and token are needed; with the
            device cpu, nothing asks for a GPU by default.
    """
    section = root.section("ray")
    train = section.section("train")
    translate = section.section("translate")
    settings = RaySettings(
        address=_address(section),
        token=folders.read_apart(section, "token", "the path of a file that only its owner reads"),
        tls=folders.read_apart(section, "tls", "the path of a folder with node.crt and node.key"),
        **read_keys(section, RaySettings),
        train=RayTrainSettings(**read_keys(train, RayTrainSettings)),
        translate=RayTranslateSettings(**read_keys(translate, RayTranslateSettings)),
    )
    for part in (train, translate):
        part.finish()
    section.finish()
    if keys.get("engine") == "ray":
        _check(section, settings, keys["device"])
    if keys["device"] == "cpu":
        settings = _without_gpus(train, translate, settings)
    return settings


def _check(section: Section, settings: RaySettings, device: str) -> None:
    """Note what `engine: ray` lacks, and what contradicts the device."""
    if not settings.address and "address" not in section:
        section.note("address", f"missing with engine: ray; expected {_EXPECTED}")
    if settings.token is None and "token" not in section:
        section.note(
            "token",
            "missing with engine: ray; expected the path of a file that only its owner reads, the"
            " same on every machine: without a token, whoever reaches Ray's ports runs code there",
        )
    if device == "gpu" and not (settings.train.gpus and settings.translate.gpus):
        section.note("train", "expected gpus of 1 or more with device: gpu, in train and translate")


def _without_gpus(train: Section, translate: Section, settings: RaySettings) -> RaySettings:
    for section, part in ((train, settings.train), (translate, settings.translate)):
        if "gpus" in section and part.gpus:
            section.note("gpus", f"expected 0, or none, with device: cpu; got {part.gpus}")
    return replace(
        settings,
        train=replace(settings.train, gpus=0),
        translate=replace(settings.translate, gpus=0),
    )


def _address(section: Section) -> str:
    text = section.path_text("address", "", expected=_EXPECTED) or ""
    if not text:
        return ""
    found = host_port.split(text)
    if found is None or not found.port:
        section.note("address", f'expected {_EXPECTED}, got the text "{text}"')
        return ""
    return text
