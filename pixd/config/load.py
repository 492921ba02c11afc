"""Find config.yaml, read it, check every rule once, and write the settings back out."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Mapping
from dataclasses import fields
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

import yaml

from pixd.config.document import ADVICE, Problem, Section, compose, report
from pixd.config.pair_kinds import KINDS
from pixd.config.settings import (
    LONE_PIPELINE_NAME,
    KeepSettings,
    PipelineSettings,
    Settings,
    TrainSettings,
)
from pixd.system.errors import ConfigError

_SYSTEM_FILE = Path("/etc/pixd/config.yaml")
_DEFAULT_STORE = "./store"
_FOLDERS = ("training", "input", "output")
_OF_THE_FILE = ("store", "device", "precision", "metrics")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")  # safe in "facades/model@3" and on disk
_LARGEST_BYTES = 1 << 20  # a config.yaml is a page; more is the wrong file
_YEAR_S = 31_536_000
_MILLION = 1_000_000
LARGEST_MEGAPIXELS = 2000
"""Pillow's own rows and offsets are 32-bit numbers."""


def find(explicit: str | None, environ: Mapping[str, str], cwd: Path) -> Path:
    """Find the configuration file.

    Looks at `explicit` (the --config option), then $PIXD_CONFIG, then config.yaml in
    the working folder, in $XDG_CONFIG_HOME/pixd (~/.config where unset) and in /etc/pixd.
    A file that was named by the first two and is missing is an error: another one in
    its place would run with the wrong folders.

    Args:
        explicit: what --config says, or None.
        environ: the environment.
        cwd: the working folder.

    Returns:
        The path of a file that exists.

    Raises:
        ConfigError: none is there.
    """
    for named, origin in ((explicit, "--config"), (environ.get("PIXD_CONFIG"), "$PIXD_CONFIG")):
        if named:
            path = cwd / named
            try:
                path.stat()
            except OSError as error:
                raise ConfigError(
                    f"{path}: {error.strerror or error}, though {origin} names it",
                    advice=f"correct {origin}, or make the file: pixd init {path.parent}",
                ) from error
            return path
    places = [cwd / "config.yaml", *_user_file(environ), _SYSTEM_FILE]
    for path in places:
        if os.path.isfile(path):  # noqa: PTH113 - False, not an error, where it may not look
            return path
    looked_at = ", ".join(str(path) for path in places)
    raise ConfigError(
        f"no configuration file; looked for {looked_at}",
        advice="make one with: pixd init, or name one with --config",
    )


def load(path: Path) -> Settings:
    """Read and check a configuration file.

    The folders themselves need not exist: a folder that is missing now is the
    service's business to notice and to wait for.

    Args:
        path: the file.

    Returns:
        The settings, every path absolute and relative ones taken from the file's folder.

    Raises:
        ConfigError: it cannot be read, or has problems; the message names them all,
            one to a line, each with file, line and key.
    """
    path = Path(os.path.abspath(path))  # noqa: PTH100 - Path.absolute keeps ".."
    root_node = compose(_read(path), str(path))
    problems: list[Problem] = []
    root = Section("", 1, root_node, problems)
    folders = _Folders(path.parent)
    settings = Settings(
        path=path,
        store=folders.read(root, "store", _DEFAULT_STORE),
        device=root.choice("device", "auto", ("auto", "gpu", "cpu")),
        precision=root.choice("precision", "auto", ("auto", "float32", "bfloat16", "float16")),
        metrics=folders.read_metrics(root),
        pipelines=tuple(_pipelines(root, folders)),
    )
    root.finish(_known_keys())
    problems.extend(folders.overlaps())
    if problems:
        raise report(problems, str(path))
    return settings


def _user_file(environ: Mapping[str, str]) -> Iterator[Path]:
    """Yield where the XDG base directory specification puts it; relative values do not count."""
    home = environ.get("XDG_CONFIG_HOME", "")
    if Path(home).is_absolute():
        yield Path(home, "pixd", "config.yaml")
    elif Path(environ.get("HOME", "")).is_absolute():
        yield Path(environ["HOME"], ".config", "pixd", "config.yaml")


def _read(path: Path) -> str:
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


def _pipelines(root: Section, folders: _Folders) -> Iterator[PipelineSettings]:
    """Read the pipelines in whichever of the three ways the file gives them.

    Under `pipelines` by name; or, for a lone one, its keys at the top of the file, or
    its name as the only other key at the top. Only the first allows more than one.
    """
    known = {field.name for field in fields(PipelineSettings)} - {"name"}
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
        section = named.section(name)
        if not _NAME.fullmatch(name):
            named.note(
                name,
                "expected a name of letters, digits, '.', '_' and '-', "
                "at most 64 and a letter or digit first",
            )
            continue
        yield _pipeline(name, section, folders)
        section.finish(_known_keys())
    if not names and root.is_mapping and named.is_mapping:
        root.note("pipelines", "expected at least one pipeline, got none")


def _lone_name(root: Section) -> str | None:
    """Return the one key that is not a setting of the file, if it looks like a pipeline."""
    rest = [name for name in root.names() if name not in _OF_THE_FILE]
    if len(rest) != 1:
        return None
    node = root.entry(rest[0]).value
    if not isinstance(node, yaml.MappingNode):
        return None
    inner = {key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)}
    return rest[0] if inner.intersection(_FOLDERS) else None


def _pipeline(name: str, section: Section, folders: _Folders) -> PipelineSettings:
    default = PipelineSettings(name=name, training=Path(), input=Path(), output=Path())
    pairs = section.choice("pairs", default.pairs, tuple(KINDS))
    fit = _fit(section, default.fit, pairs)
    return PipelineSettings(
        name=name,
        training=folders.read(section, "training"),
        input=folders.read(section, "input"),
        output=folders.read(section, "output"),
        pairs=pairs,
        direction=_direction(section, default.direction, pairs),
        image_size=_image_size(section, default.image_size),
        fit=fit,
        output_size=_output_size(section, default.output_size, fit),
        alpha=section.choice("alpha", default.alpha, ("drop", "keep")),
        max_megapixels=section.integer(
            "max_megapixels", default.max_megapixels, 1, LARGEST_MEGAPIXELS
        ),
        settle_seconds=section.number("settle_seconds", default.settle_seconds, 0, _YEAR_S),
        sample=section.boolean("sample", default.sample, only=False),
        train=_train(section.section("train")),
        keep=_keep(section.section("keep")),
    )


def _fit(section: Section, default: str, pairs: str) -> str:
    fit = section.choice("fit", default, ("pad", "crop", "stretch", "tile"))
    if fit == "tile" and KINDS[pairs].hides_middle:
        section.note(
            "fit",
            f"expected pad, crop or stretch with pairs: {pairs}, where each tile would get a blank"
            " of its own; got tile",
        )
        return default
    return fit


def _output_size(section: Section, default: str, fit: str) -> str:
    if fit != "tile":
        return section.choice("output_size", default, ("model", "source"))
    output_size = section.choice("output_size", "source", ("model", "source"))
    if output_size != "source":
        # Passed over, it would leave somebody with files of a size that was not asked for.
        section.note(
            "output_size",
            "expected source, or none, with fit: tile, whose outputs are as large as their"
            f" inputs; got {output_size}",
        )
    return "source"


def _direction(section: Section, default: str, pairs: str) -> str:
    direction = section.choice("direction", default, ("AtoB", "BtoA"))
    if KINDS[pairs].is_made and direction != default:
        # Passed over, it would leave somebody waiting for a model that goes the other way.
        section.note(
            "direction",
            f"expected {default}, or none, with pairs: {pairs}, where pixd makes the input from"
            f" the picture; got {direction}",
        )
        return default
    return direction


def _train(section: Section) -> TrainSettings:
    default = TrainSettings()
    if "epochs" in section and "steps" in section:
        section.note("steps", "expected either epochs or steps, got both")
    epochs: int | None = section.integer("epochs", default.epochs or 1, 1, _MILLION)
    steps: int | None = None
    if "steps" in section:
        epochs, steps = None, section.integer("steps", 1, 1, 1000 * _MILLION)
    else:
        section.integer("steps", 1, 1, 1)  # so that it is a known key
    settings = TrainSettings(
        quiet_seconds=section.number("quiet_seconds", default.quiet_seconds, 0, _YEAR_S),
        epochs=epochs,
        steps=steps,
        batch_size=section.integer("batch_size", default.batch_size, 1, 1024),
        replicas=section.integer("replicas", default.replicas, 1, 64),
        ngf=section.integer("ngf", default.ngf, 1, 512),
        ndf=section.integer("ndf", default.ndf, 1, 512),
        learning_rate=section.number("learning_rate", default.learning_rate, 0, 1, above_low=True),
        beta_1=section.number("beta_1", default.beta_1, 0, 1, below_high=True),
        l1_weight=section.number("l1_weight", default.l1_weight, 0, _MILLION),
        gan_weight=section.number("gan_weight", default.gan_weight, 0, _MILLION),
        jitter=section.boolean("jitter", default.jitter),
        flip=section.boolean("flip", default.flip),
        # 2**32 - 1 is the largest seed that NumPy and Keras take.
        seed=section.integer("seed", default.seed, 0, 2**32 - 1),
        validation=section.number("validation", default.validation, 0, 0.9),
        # "auto" trains from scratch for now, which is one of the things it may decide.
        warm_start=section.choice("warm_start", default.warm_start, ("auto", "never")),
        promote=section.choice("promote", default.promote, ("if-better", "always", "manual")),
    )
    if settings.l1_weight == 0 and settings.gan_weight == 0:
        section.note("l1_weight", "expected l1_weight or gan_weight above 0, got 0 for both")
    if settings.batch_size % settings.replicas:
        section.note(
            "batch_size",
            f"expected a multiple of replicas ({settings.replicas}), got {settings.batch_size}",
        )
    section.finish(_known_keys())
    return settings


def _keep(section: Section) -> KeepSettings:
    default = KeepSettings()
    settings = KeepSettings(
        models=section.integer("models", default.models, 1, _MILLION),
        orphans=section.boolean("orphans", default.orphans, only=True),
        free_bytes=section.integer("free_bytes", default.free_bytes, 0, 10**15),
    )
    section.finish(_known_keys())
    return settings


def _image_size(section: Section, default: int) -> int:
    size = section.integer("image_size", default, 32, 1024)
    if size & (size - 1):
        section.note("image_size", f"expected a power of two from 32 to 1024, got {size}")
        return default
    return size


class _Folder(NamedTuple):
    line: int
    key: str
    real: Path


class _Folders:
    """The folders that the file names, so that each can be held against all others."""

    def __init__(self, base: Path) -> None:
        self._base = base  # what relative paths are relative to
        self._read: list[_Folder] = []
        self._metrics: _Folder | None = None

    def read(self, section: Section, name: str, default: str | None = None) -> Path:
        """Return a folder's absolute path, or the base where it has a problem."""
        text = section.path_text(name, default)
        if text is None:
            return self._base
        path = self._absolute(text)
        real = Path(os.path.realpath(path))
        self._read.append(_Folder(section.line_of(name), section.dotted(name), real))
        # "a/../b" is written as "b" where no symlink makes that another folder.
        short = os.path.normpath(path)
        return Path(short) if Path(os.path.realpath(short)) == real else path

    def read_metrics(self, root: Section) -> Path | None:
        """Return the absolute path of the metrics file, or None where none is wanted."""
        if "metrics" not in root:
            root.path_text("metrics", "")  # so that it is a known key
            return None
        text = root.path_text("metrics", "", expected="the path of a file that ends in .prom")
        if not text:
            return None
        if not text.endswith(".prom"):
            root.note("metrics", f'expected the path of a file that ends in .prom, got "{text}"')
            return None
        path = Path(os.path.normpath(self._absolute(text)))
        real = Path(os.path.realpath(path))
        self._metrics = _Folder(root.line_of("metrics"), "metrics", real)
        return path

    def _absolute(self, text: str) -> Path:
        return self._base / (os.path.expanduser(text) if text.startswith("~/") else text)  # noqa: PTH111 - Path.expanduser raises without a home

    def overlaps(self) -> Iterator[Problem]:
        """Find folders that are the same or inside one another, by real path.

        An output inside an input would be translated again for ever; a store inside a
        watched folder would be its own change.
        """
        for one, two in combinations(self._read, 2):
            if one.real == two.real:
                text = f"expected a folder of its own, got the same one as {one.key}: {two.real}"
            elif two.real.is_relative_to(one.real):
                text = f"expected a folder outside {one.key}, got {two.real}, inside {one.real}"
            elif one.real.is_relative_to(two.real):
                text = (
                    f"expected a folder that does not hold {one.key} ({one.real}), got {two.real}"
                )
            else:
                continue
            yield Problem(two.line, two.key, text)
        for folder in self._read:
            if self._metrics and self._metrics.real.is_relative_to(folder.real):
                text = f"expected a file outside {folder.key}, got {self._metrics.real}"
                yield Problem(self._metrics.line, "metrics", text)


def _known_keys() -> list[str]:
    """Return every key below the top of the file, as a person would write where it belongs."""
    keys = [field.name for field in fields(PipelineSettings) if field.name != "name"]
    keys = [*_OF_THE_FILE, "pipelines", *keys]
    keys += [f"train.{field.name}" for field in fields(TrainSettings)]
    return keys + [f"keep.{field.name}" for field in fields(KeepSettings)]
