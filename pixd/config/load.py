"""Read config.yaml and check every rule once.

The rule of one key is next to its default (`pixd.config.settings`). Rules for two keys are here.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import yaml

from pixd.config.document import ADVICE, Problem, Section, compose, report
from pixd.config.folders import Folders
from pixd.config.pair_kinds import KINDS
from pixd.config.ray_section import read_ray
from pixd.config.reading import default_of, read_key, read_keys
from pixd.config.settings import (
    LONE_PIPELINE_NAME,
    KeepSettings,
    PipelineSettings,
    RaySettings,
    RayTrainSettings,
    RayTranslateSettings,
    Settings,
    TrainSettings,
    WebSettings,
)
from pixd.config.web_section import read_web
from pixd.system.errors import ConfigError

_DEFAULT_STORE = "./store"
_FOLDER_KEYS = ("training", "input", "output")
_OF_THE_FILE = [f.name for f in fields(Settings) if f.name not in {"path", "pipelines"}]
_YOUNG_KEYS = ("web", "engine", "ray")
"""Keys of the file that are younger than pipelines that may have such a name."""
LONGEST_NAME = 64
_NAME = re.compile(
    rf"[A-Za-z0-9][A-Za-z0-9._-]{{0,{LONGEST_NAME - 1}}}"
)  # safe in "facades/model@3" and on disk
_LARGEST_BYTES = 1 << 20  # a config.yaml is a page; a larger file is the wrong one


def load(path: Path, *, asks_network: bool = False, text: str | None = None) -> Settings:
    """Read and check a configuration file.

    The folders themselves need not exist: the service notices a folder that is missing, and
    waits for it.

    Args:
        path: the file.
        asks_network: whether to ask network file systems for the real paths of folders, so that
            those on them are compared too. That takes seconds where one does not answer.
        text: what to take for the file's text, in place of reading it.

    Returns:
        The settings, every path absolute and relative ones taken from the file's folder.

    Raises:
        ConfigError: it cannot be read, or has problems; the message names them all,
            one to a line, each with file, line and key.
    """
    path = Path(os.path.abspath(path))  # noqa: PTH100 - Path.absolute keeps ".."
    root_node = compose(read_text(path) if text is None else text, str(path))
    problems: list[Problem] = []
    root = Section("", 1, root_node, problems)
    folders = Folders(path.parent, asks_network=asks_network)
    lone = _lone_name(root)
    keys = read_keys(root, Settings, but=[lone] if lone == "engine" else ())
    settings = Settings(
        path=path,
        store=folders.read(root, "store", _DEFAULT_STORE),
        **keys,
        metrics=folders.read_metrics(root),
        web=WebSettings() if lone == "web" else read_web(root),
        ray=RaySettings() if lone == "ray" else read_ray(root, folders, keys),
        pipelines=tuple(_pipelines(root, folders)),
    )
    root.finish(_known_keys(_some_pipeline(root, lone)))
    problems.extend(folders.overlaps())
    if problems:
        raise report(problems, str(path))
    return settings


def read_text(path: Path) -> str:
    """Return the text of a configuration file.

    Raises:
        ConfigError: it cannot be read, or is no text.
    """
    try:
        # Before opening, because opening a FIFO waits for a writer.
        if not stat.S_ISREG(path.stat().st_mode):
            raise ConfigError(f"{path}: not a regular file", advice="name a file with --config")
        with path.open("rb") as file:
            content = file.read(_LARGEST_BYTES + 1)
    except OSError as error:
        raise ConfigError(
            f"{path}: cannot be read: {error.strerror or error}",
            advice="check its permissions, or name another with --config",
        ) from error
    if len(content) > _LARGEST_BYTES:
        raise ConfigError(f"{path}: over 1 MiB, so not a configuration file", advice=ADVICE)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{path}:{line}: not UTF-8 text", advice=ADVICE) from error


def _pipelines(root: Section, folders: Folders) -> Iterator[PipelineSettings]:
    """Read the pipelines, which the file may give in three ways.

    They are under `pipelines`, by name. Or a single pipeline has its keys at the top of the
    file, or its name is the only other key there. Only the first way allows more than one.
    """
    known = _of_a_pipeline()
    lone = None
    if "pipelines" in root:
        named = root.section("pipelines")
    elif any(name in known for name in root.names()):
        yield _pipeline(LONE_PIPELINE_NAME, root, folders)
        return
    elif lone := _lone_name(root):
        named = root
    else:
        named = root.section("pipelines")
    names = (lone,) if lone else named.names()
    for name in names:
        if name in known and not isinstance(named.entry(name).value, yaml.MappingNode):
            continue  # not indented far enough; `finish` says where it belongs
        section = named.section(name)
        if not _NAME.fullmatch(name):
            named.note(
                name,
                "expected a name of letters, digits, '.', '_' and '-', "
                "at most 64 and a letter or digit first",
            )
            continue
        yield _pipeline(name, section, folders)
        section.finish(_known_keys(section.where))
    if named is not root:
        named.finish(_known_keys(_some_pipeline(root, lone)))
    if not names and root.is_mapping and named.is_mapping:
        root.note("pipelines", "expected at least one pipeline, got none")


def _lone_name(root: Section) -> str | None:
    """Return the one key that is not a setting of the file, if it looks like a pipeline.

    A pipeline may be called `web`: there were such before this was the name of a key.
    """
    rest = [name for name in root.names() if name not in _OF_THE_FILE]
    if not rest and "pipelines" not in root:
        rest = [name for name in _YOUNG_KEYS if name in root and _has_folders(root, name)]
    return rest[0] if len(rest) == 1 and _has_folders(root, rest[0]) else None


def _has_folders(root: Section, name: str) -> bool:
    node = root.entry(name).value
    if not isinstance(node, yaml.MappingNode):
        return False
    inner = {key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)}
    return bool(inner.intersection(_FOLDER_KEYS))


def _pipeline(name: str, section: Section, folders: Folders) -> PipelineSettings:
    pairs: str = read_key(section, PipelineSettings, "pairs")
    fit = _fit(section, pairs)
    sample: bool = read_key(section, PipelineSettings, "sample")
    special: dict[str, Any] = {
        "name": name,
        "pairs": pairs,
        "fit": fit,
        **{key: folders.read(section, key) for key in _FOLDER_KEYS},
        "direction": _direction(section, pairs),
        "image_size": _image_size(section),
        "labels": _labels(section, pairs),
        "output_size": _output_size(section, fit),
        "sample": sample,
        "samples": _samples(section, sample=sample),
    }
    return PipelineSettings(
        **special,
        **read_keys(section, PipelineSettings, but=special),
        train=read_train(section.section("train")),
        keep=_keep(section.section("keep")),
    )


def _fit(section: Section, pairs: str) -> str:
    fit: str = read_key(section, PipelineSettings, "fit")
    if fit == "tile" and KINDS[pairs].hides_middle:
        section.note(
            "fit",
            f"expected pad, crop or stretch with pairs: {pairs}, where each tile would get a blank"
            " of its own; got tile",
        )
        return str(default_of(PipelineSettings, "fit"))
    return fit


def _output_size(section: Section, fit: str) -> str:
    if fit != "tile":
        return str(read_key(section, PipelineSettings, "output_size"))
    output_size = read_key(section, PipelineSettings, "output_size", default="source")
    if output_size != "source":
        # Without this error, somebody would get files of a size that was not asked for.
        section.note(
            "output_size",
            "expected source, or none, with fit: tile, whose outputs are as large as their"
            f" inputs; got {output_size}",
        )
    return "source"


def _direction(section: Section, pairs: str) -> str:
    direction: str = read_key(section, PipelineSettings, "direction")
    default: str = default_of(PipelineSettings, "direction")
    if KINDS[pairs].is_made and direction != default:
        # Without this error, somebody would wait for a model that goes the other way.
        section.note(
            "direction",
            f"expected {default}, or none, with pairs: {pairs}, where pixd makes the input from"
            f" the picture; got {direction}",
        )
        return default
    return direction


def _labels(section: Section, pairs: str) -> str:
    labels: str = read_key(section, PipelineSettings, "labels")
    if KINDS[pairs].is_made and labels == "ids":
        section.note(
            "labels",
            f"expected colours, or none, with pairs: {pairs}, where pixd makes the input from the"
            " picture; got ids",
        )
        return str(default_of(PipelineSettings, "labels"))
    return labels


def _samples(section: Section, *, sample: bool) -> int:
    samples: int = read_key(section, PipelineSettings, "samples")
    if samples > 1 and not sample:
        section.note(
            "samples",
            f"expected 1, or none, without sample: true, where all outputs of an input would be"
            f" the same; got {samples}",
        )
        return int(default_of(PipelineSettings, "samples"))
    return samples


def read_train(section: Section) -> TrainSettings:
    """Read the keys below `train`, and note what is wrong with them."""
    if "epochs" in section and "steps" in section:
        section.note("steps", "expected either epochs or steps, got both")
    special: dict[str, Any] = {
        "epochs": read_key(section, TrainSettings, "epochs"),
        "steps": read_key(section, TrainSettings, "steps"),
    }
    if "steps" in section:
        special["epochs"] = None
    settings = TrainSettings(**special, **read_keys(section, TrainSettings, but=special))
    if settings.l1_weight == 0 and settings.gan_weight == 0:
        section.note("l1_weight", "expected l1_weight or gan_weight above 0, got 0 for both")
    if settings.batch_size % settings.replicas:
        section.note(
            "batch_size",
            f"expected a multiple of replicas ({settings.replicas}), got {settings.batch_size}",
        )
    section.finish(_known_keys(section.where.rpartition(".")[0]))
    return settings


def _keep(section: Section) -> KeepSettings:
    settings = KeepSettings(**read_keys(section, KeepSettings))
    section.finish(_known_keys(section.where.rpartition(".")[0]))
    return settings


def _image_size(section: Section) -> int:
    size: int = read_key(section, PipelineSettings, "image_size")
    if size & (size - 1):
        section.note("image_size", f"expected a power of two from 32 to 1024, got {size}")
        return int(default_of(PipelineSettings, "image_size"))
    return size


def _some_pipeline(root: Section, lone: str | None) -> str:
    """Return under which key the file has a pipeline, for a key that should be there."""
    if lone or "pipelines" not in root:
        return lone or ""
    # Read already, so that its problems are noted; here only the names are wanted.
    names = Section("", 1, root.entry("pipelines").value, []).names()
    names = tuple(name for name in names if name not in _of_a_pipeline())
    return f"pipelines.{names[0] if len(names) == 1 else 'NAME'}"


def _of_a_pipeline() -> list[str]:
    return [field.name for field in fields(PipelineSettings) if field.name != "name"]


def _known_keys(pipeline: str) -> list[str]:
    """Return every key with its path as a person would write it.

    Args:
        pipeline: the dotted key of the pipeline that a key may belong to; "" at the top.
    """
    of_pipeline = _of_a_pipeline()
    of_pipeline += [f"train.{field.name}" for field in fields(TrainSettings)]
    of_pipeline += [f"keep.{field.name}" for field in fields(KeepSettings)]
    keys = [*_OF_THE_FILE, "pipelines"]
    keys += [f"{pipeline}.{key}" if pipeline else key for key in of_pipeline]
    keys += [f"ray.{field.name}" for field in fields(RaySettings)]
    keys += [f"ray.train.{field.name}" for field in fields(RayTrainSettings)]
    return keys + [f"ray.translate.{field.name}" for field in fields(RayTranslateSettings)]
