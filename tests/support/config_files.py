"""Configuration files for the tests: ways to write one, and every key there is."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from pixd.config import (
    KeepSettings,
    PipelineSettings,
    RaySettings,
    RayTrainSettings,
    RayTranslateSettings,
    Settings,
    TrainSettings,
    WebSettings,
)
from pixd.config.load import load
from pixd.system.errors import EXIT_CONFIG, ConfigError

FOLDERS = "    training: ./training\n    input: ./input\n    output: ./output\n"
ONE_PIPELINE = "pipelines:\n  facades:\n" + FOLDERS


def read(folder: Path, text: str) -> Settings:
    path = folder / "config.yaml"
    path.write_text(text, encoding="utf-8")
    return load(path)


def refusal(folder: Path, text: str) -> list[str]:
    """Return the problems, one a line, without the folder that every line starts with."""
    with pytest.raises(ConfigError) as caught:
        read(folder, text)
    assert caught.value.exit_code == EXIT_CONFIG
    assert "pixd check-config" in caught.value.advice
    return [line.removeprefix(f"{folder}/") for line in caught.value.message.splitlines()]


def in_pipeline(line: str) -> str:
    return f"{ONE_PIPELINE}    {line}\n"


def in_train(*lines: str) -> str:
    return f"{ONE_PIPELINE}    train:\n" + "".join(f"      {line}\n" for line in lines)


def every_key() -> list[str]:
    """Return every key of the file, from the settings themselves."""
    keys = [field.name for field in dataclasses.fields(Settings)]
    keys.remove("path")
    for kind, prefix in (
        (WebSettings, "web."),
        (RaySettings, "ray."),
        (RayTrainSettings, "ray.train."),
        (RayTranslateSettings, "ray.translate."),
        (PipelineSettings, "pipelines.*."),
        (TrainSettings, "pipelines.*.train."),
        (KeepSettings, "pipelines.*.keep."),
    ):
        keys += [prefix + field.name for field in dataclasses.fields(kind)]
    keys.remove("pipelines.*.name")
    return keys


def keys_of(tree: dict[str, object], prefix: str = "") -> list[str]:
    keys = []
    for key, value in tree.items():
        keys.append(prefix + key)
        if key == "pipelines" and isinstance(value, dict):
            for pipeline in value.values():
                keys += keys_of(pipeline, "pipelines.*.")
        elif isinstance(value, dict):
            keys += keys_of(value, f"{prefix}{key}.")
    return keys
