"""Other values of the settings in `train`: ``train.l1_weight=50,100`` becomes two pipelines' settings.

Each value passes the rules that config.yaml passes. Only settings can be tried that change a model
and leave the held-out pairs as they are: with others, the scores could not be compared.
"""

from __future__ import annotations

import difflib
import itertools
import re
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pixd.config.document import Problem, Section, compose
from pixd.config.load import read_train
from pixd.config.settings import PipelineSettings, TrainSettings
from pixd.system.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MOST: Final = 64
"""More variants than this are a mistake rather than a wish: each is a whole training."""
CAN_BE_TRIED: Final = (
    *("epochs", "steps", "batch_size", "replicas", "ngf", "ndf", "learning_rate", "beta_1"),
    *("l1_weight", "gan_weight", "jitter", "flip", "seed", "patience"),
)
UNKNOWN: Final = "unknown key"
_SECTION: Final = "train"
_VALUE: Final = re.compile(
    r"[A-Za-z0-9_.+-]+"
)  # nothing that YAML would take for more than a value
_WHY_NOT: Final = {
    "validation": "changes which pairs are held out, so that the scores could not be compared",
}


class Variant(NamedTuple):
    """One choice of values.

    Attributes:
        settings: the values by key of `train`, in the order in which they were given.
        pipeline: the pipeline's settings with these.
    """

    settings: Mapping[str, Any]
    pipeline: PipelineSettings


def told(settings: Mapping[str, Any]) -> str:
    """Return the values of a variant for people, as "l1_weight 50, ngf 32"."""
    return ", ".join(f"{name} {value_text(value)}" for name, value in settings.items())


def value_text(value: object) -> str:
    """Return a value as a person would write it into config.yaml."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:g}" if isinstance(value, float) else str(value)


def read(pipeline: PipelineSettings, asked: Sequence[str]) -> list[Variant]:
    """Return the variants that were asked for: every choice of one value for each key.

    Args:
        pipeline: whose settings are varied.
        asked: texts like ``train.l1_weight=50,100``.

    Returns:
        Each different choice once; the last key changes fastest.

    Raises:
        UsageError: a key is not one that can be tried, a value is refused by the rules of
            config.yaml, or there are too many variants.
    """
    values = dict(_key_and_values(text) for text in asked)
    if len(values) < len(asked):
        keys = [text.partition("=")[0] for text in asked]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise UsageError(
            f"{twice} is set twice", advice=f"name its values once: --set {twice}=1,2,3"
        )
    count = 1
    for options in values.values():
        count *= len(options)
    if count > MOST:
        raise UsageError(
            f"these are {count:,} variants, each a training of its own; at most {MOST} are tried"
            " at once",
            advice="try fewer values",
        )
    chosen = [
        dict(zip(values, choice, strict=True)) for choice in itertools.product(*values.values())
    ]
    found: dict[TrainSettings, Variant] = {}
    for choice in chosen:
        train = _settings_of(pipeline.train, choice)
        settings = {name: getattr(train, name) for name in choice}
        found.setdefault(train, Variant(settings, replace(pipeline, train=train)))
    return list(found.values())


def _key_and_values(text: str) -> tuple[str, list[str]]:
    key, equals, values = text.partition("=")
    if not equals or not all(values.split(",")):
        raise UsageError(
            f"--set {text}: expected KEY=VALUE[,VALUE...]",
            advice="pixd try --set train.l1_weight=50,100,200",
        )
    section, _, name = key.rpartition(".")
    if section != _SECTION or name not in CAN_BE_TRIED:
        why = _why_not(section, name)
        near = _nearest(name) if why == UNKNOWN else ""
        every = ", ".join(f"{_SECTION}.{one}" for one in CAN_BE_TRIED)
        raise UsageError(f"--set {key}: {why}", advice=near or f"one of {every}")
    for value in values.split(","):
        if not _VALUE.fullmatch(value):
            raise UsageError(
                f"--set {key}={value}: this is no value of a setting",
                advice=f"--set {key}=VALUE,VALUE without spaces",
            )
    return name, values.split(",")


def _why_not(section: str, name: str) -> str:
    of_train = {field.name for field in fields(TrainSettings)}
    of_pipeline = {field.name for field in fields(PipelineSettings)}
    if name in CAN_BE_TRIED:  # without its section
        return UNKNOWN
    if section == _SECTION and name in of_train:
        why = _WHY_NOT.get(name, "changes no model, but when pixd trains or what is live")
        return f"cannot be tried: it {why}"
    if name in of_train | of_pipeline:
        return "this is no setting of the training"
    return UNKNOWN


def _nearest(name: str) -> str:
    near = difflib.get_close_matches(name, CAN_BE_TRIED, n=1, cutoff=0.6)
    return f"did you mean {_SECTION}.{near[0]}?" if near else ""


def _settings_of(base: TrainSettings, choice: Mapping[str, str]) -> TrainSettings:
    """Return the settings with other values, by the rules of config.yaml.

    Raises:
        UsageError: a value is refused.
    """
    said = {
        field.name: value_of_yaml(getattr(base, field.name))
        for field in fields(TrainSettings)
        if getattr(base, field.name) is not None
    }
    for one, other in (("epochs", "steps"), ("steps", "epochs")):
        if one in choice:  # it is set in place of the other
            said.pop(other, None)
    said |= choice
    text = "\n".join(f"{name}: {value}" for name, value in said.items())
    problems: list[Problem] = []
    section = Section(_SECTION, 1, compose(text, "--set"), problems)
    settings = read_train(section)
    if problems:
        problem = problems[0]
        name = problem.key.rpartition(".")[2]
        where = f"{problem.key}={choice[name]}" if name in choice else _words(choice)
        raise UsageError(
            f"--set {where}: {problem.text}", advice="docs/config.md has the values of each key"
        )
    return settings


def value_of_yaml(value: object) -> str:
    """Return a value so that reading it gives the same again."""
    return "true" if value is True else "false" if value is False else str(value)


def _words(choice: Mapping[str, str]) -> str:
    return " --set ".join(f"{_SECTION}.{name}={value}" for name, value in choice.items())
