"""The run spec says what a child is to do; the result manifest says what came of it.

Both are frozen dataclasses in memory and JSON between processes. Only this module converts them.
It refuses what it does not know: another schema or kind, a missing field, an extra field.

If a spec names a file of the store, it has the file's digest beside the path. So an engine on
another machine can fetch the file by its digest.

This module imports little, because the children that decode pictures import it too.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, TypeVar, cast

from pixd.system.children.confinement import MEGAPIXELS
from pixd.system.children.spec_parts import (
    Beginning,
    LiveModel,
    OutputFile,
    Pair,
    Problem,
    ScoredPair,
    Triple,
)
from pixd.system.errors import PixdError

if TYPE_CHECKING:
    from collections.abc import Mapping

SCHEMA: Final = 2
"""Version of run specs and result manifests. The service and its children must have the same."""
RESULT_FILE: Final = "result.json"
"""Name of the result manifest in the child's folder."""
PARENT_VARIABLE: Final = "PIXD_PARENT"
"""Environment variable that tells a child the process id of its parent."""
EARLY_FOLDER: Final = "early"
"""Name of the folder of early models in the trainer's folder. Each has a folder of its own, its step."""
S = TypeVar("S", bound="Spec")
_ADVICE: Final = "restart the service, so that it and its children are of one version"


class SpecError(PixdError):
    """A run spec or result manifest is not what this version of pixd reads."""


@dataclass(frozen=True, kw_only=True)
class Spec:
    """What every run spec has.

    Attributes:
        kind: names the kind of child in JSON.
        scratch: the child's own folder, where its result goes; the code that starts it sets this.
        run_id: names the run in its result.
        pipeline: whose work it is, for the status; or "".
    """

    kind: ClassVar[str] = ""
    scratch: str = ""
    run_id: str = ""
    pipeline: str = ""


@dataclass(frozen=True, kw_only=True)
class TrainSpec(Spec):
    """For `pixd.pix2pix.train`.

    Attributes:
        recipe: the settings that decide the result.
        train: the pairs to learn from.
        held_out: the pairs to score with.
        checkpoints: folder of the checkpoints; if it has some, training goes on from them.
        device: "auto", "gpu" or "cpu".
        checkpoint_every_s: seconds.
        checkpoint_every_steps: steps.
        live_model: what the result is compared with.
        warm_start: what it begins from; None starts from scratch.
        preview: path of the sheet of samples.
        event_files: folder for TensorBoard.
        early_after_s: seconds of training until the first early model; 0 for none.
        logical_cpus: into how many devices to split the processor; 0 leaves that to TensorFlow.
    """

    kind: ClassVar[str] = "train"
    recipe: Mapping[str, Any]
    train: list[Pair] = field(metadata={"of": Pair})
    held_out: list[Pair] = field(metadata={"of": Pair})
    checkpoints: str
    device: str
    checkpoint_every_s: float
    checkpoint_every_steps: int
    live_model: LiveModel | None = field(default=None, metadata={"of": LiveModel})
    warm_start: Beginning | None = field(default=None, metadata={"of": Beginning})
    preview: str | None = None
    event_files: str | None = None
    early_after_s: float = 0.0
    logical_cpus: int = 0


@dataclass(frozen=True, kw_only=True)
class TranslateSpec(Spec):
    """For `pixd.pix2pix.translator`.

    Attributes:
        model: the model's folder.
        files: digest of each file in it, by name.
        recipe: the settings that decide the result.
        device: "auto", "gpu" or "cpu".
        precision: "auto" or a Keras dtype policy.
        batch: the largest number of images that go through the network together.
        max_megapixels: size of the largest accepted image.
    """

    kind: ClassVar[str] = "translate"
    model: str
    files: Mapping[str, str]
    recipe: Mapping[str, Any]
    device: str
    precision: str
    batch: int
    max_megapixels: int = MEGAPIXELS

    @property
    def drops_out(self) -> bool:
        """Whether dropout is on."""
        return bool(self.recipe["sample"])


@dataclass(frozen=True, kw_only=True)
class ExportSpec(Spec):
    """For `pixd.pix2pix.export`.

    Attributes:
        model: the model's folder.
        files: digest of each file in it, by name.
        formats: keys of `pixd.config.export_formats.FORMATS`.
        weights: the precision of the weights, of `WEIGHTS` there; "" for the usual one of a format.
        pairs: what agreement is checked on.
        are_held_out: whether these were held out of the training.
        about: what the card says of the model beside its own: its name, data and licence.
        runtime: for a page: the browsers' runtime, as npm packs it.
        browser: for a page: a browser to try it in; "" to try it in none.
        has_examples: for a page: whether some of the pairs go along with it.
    """

    kind: ClassVar[str] = "export"
    model: str
    files: Mapping[str, str]
    formats: list[str] = field(default_factory=lambda: ["savedmodel"])
    weights: str = ""
    pairs: list[Pair] = field(default_factory=list, metadata={"of": Pair})
    are_held_out: bool = False
    about: Mapping[str, Any] = field(default_factory=dict)
    runtime: str = ""
    browser: str = ""
    has_examples: bool = True


@dataclass(frozen=True, kw_only=True)
class PicturesSpec(Spec):
    """For `pixd.pix2pix.pictures`: a model and its files, the recipe of its training, the pairs.

    The device is the processor: a report does not wait for a GPU, on which the service may train.
    """

    kind: ClassVar[str] = "pictures"
    device: ClassVar[str] = "cpu"
    drops_out: ClassVar[bool] = False
    model: str
    files: Mapping[str, str]
    precision: str
    recipe: Mapping[str, Any]
    pairs: list[Pair] = field(metadata={"of": Pair})


@dataclass(frozen=True, kw_only=True)
class ScoreSpec(Spec):
    """For `pixd.pix2pix.score`. Its images are a person's files, not the store's: no digests.

    Attributes:
        size: side in pixels of the square at which everything is compared.
        triples: the images of which every run has an output.
        train: what baselines learn from; may be empty.
        runs: path of each output by the triple's name, by the run's name.
        direction: which half of a ``pair`` is the input, AtoB or BtoA.
        bits: how many are used of inputs and targets of 16 bits; outputs always have 8.
        are_ids: whether inputs are class ids, which get colours of their own.
    """

    kind: ClassVar[str] = "score"
    size: int
    triples: list[Triple] = field(metadata={"of": Triple})
    train: list[ScoredPair] = field(metadata={"of": ScoredPair})
    runs: Mapping[str, Mapping[str, str]]
    direction: str = "AtoB"
    bits: int = 16
    are_ids: bool = False


@dataclass(frozen=True, kw_only=True)
class DeviceSpec(Spec):
    """For `pixd.pix2pix.device`: the wanted device, "auto", "gpu" or "cpu"."""

    kind: ClassVar[str] = "device"
    device: str


@dataclass(frozen=True, kw_only=True)
class InspectSpec(Spec):
    """For `pixd.training.dataset.inspector_child`; what to look at comes in its requests."""

    kind: ClassVar[str] = "inspect"


@dataclass(frozen=True, kw_only=True)
class DecodeSpec(Spec):
    """For `pixd.images.decoder_child`: largest image in megapixels, bits in use, class ids or not."""

    kind: ClassVar[str] = "decode"
    max_megapixels: int = MEGAPIXELS
    bits: int = 16
    are_ids: bool = False


@dataclass(frozen=True, kw_only=True)
class MakeSpec(Spec):
    """For `pixd.training.prepare.maker_child`: folders to read, the folder to write, the recipe."""

    kind: ClassVar[str] = "make"
    roots: list[str]
    out: str
    recipe: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class TeachSpec(Spec):
    """For `pixd.training.prepare.teaching_child`: the layout of the pair, and how pictures are fitted.

    Attributes:
        pairs: a value of `pairs`.
        direction: "AtoB" or "BtoA".
        fit: how the input met the model.
        max_megapixels: of the largest accepted image.
    """

    kind: ClassVar[str] = "teach"
    pairs: str
    direction: str
    fit: str
    max_megapixels: int = MEGAPIXELS


KINDS: Final[Mapping[str, type[Spec]]] = {
    spec.kind: spec
    for spec in (
        *(TrainSpec, TranslateSpec, ExportSpec, PicturesSpec, ScoreSpec, DeviceSpec),
        *(InspectSpec, DecodeSpec, MakeSpec, TeachSpec),
    )
}


@dataclass(frozen=True, kw_only=True)
class Result:
    """What came of a run.

    Attributes:
        run_id: as in its spec.
        state: "succeeded", "interrupted" or "failed".
        error: why it failed.
        outputs: the files that it made.
        metrics: what it measured.
        step: how far a training came.
        steps: how far it should come.
        stopped: why it ended before its last step, as a sentence; "" where it did not.
        ended_at: the step after which it stopped; the weights may be those of an earlier one.
        curve: losses and scores by step.
        environment: the device and versions that it ran on.
        timings: seconds by phase.
        pictures: what became of each pair that should be drawn.
    """

    run_id: str = ""
    state: str = "succeeded"
    error: Problem | None = field(default=None, metadata={"of": Problem})
    outputs: list[OutputFile] = field(default_factory=list, metadata={"of": OutputFile})
    metrics: Mapping[str, Any] = field(default_factory=dict)
    step: int | None = None
    steps: int | None = None
    stopped: str = ""
    ended_at: int | None = None
    curve: list[Mapping[str, Any]] = field(default_factory=list)
    environment: Mapping[str, Any] = field(default_factory=dict)
    timings: Mapping[str, Any] = field(default_factory=dict)
    pictures: list[Mapping[str, Any]] = field(default_factory=list)


def to_json(spec: Spec) -> dict[str, Any]:
    """Return a run spec as values for JSON."""
    return {"schema": SCHEMA, "kind": spec.kind, **_values(spec)}


def from_json(document: object, wanted: type[S]) -> S:
    """Return the run spec that `to_json` wrote.

    Args:
        document: what was read from JSON.
        wanted: the class of spec that the child takes.

    Raises:
        SpecError: it is of another schema or kind, lacks a field or has an extra one.
    """
    what = "the run spec"
    fields = _object(document, what)
    kind = fields.pop("kind", None)
    if kind not in KINDS:
        raise SpecError(f"{what} is of an unknown kind: {kind!r}", advice=_ADVICE)
    if kind != wanted.kind:
        raise SpecError(f"{what} is {kind}, not {wanted.kind}", advice=_ADVICE)
    return wanted(**_checked(fields, wanted, what))


def result_to_json(result: Result) -> dict[str, Any]:
    """Return a result manifest as values for JSON."""
    return {"schema": SCHEMA, **_values(result)}


def result_from_json(document: object) -> Result:
    """Return the result manifest that `result_to_json` wrote.

    Raises:
        SpecError: it is of another schema, lacks a field or has an extra one.
    """
    return Result(**_checked(_object(document, "the result"), Result, "the result"))


def read_result(scratch: Path) -> Result:
    """Read the result manifest that a child left in its folder.

    Raises:
        OSError: there is none.
        ValueError: it is not JSON.
        SpecError: it is not what this version of pixd writes.
    """
    # The children that decode import this module, and read no result.
    from pixd.system.children.numbers import from_child  # noqa: PLC0415

    return result_from_json(from_child((scratch / RESULT_FILE).read_bytes(), keep_nan=True))


def _values(of: Any) -> dict[str, Any]:
    # dataclasses.asdict would copy the pairs of a training one by one.
    return {one.name: getattr(of, one.name) for one in dataclasses.fields(of)}


def _object(document: object, what: str) -> dict[str, Any]:
    if not isinstance(document, dict):
        raise SpecError(f"{what} is no JSON object", advice=_ADVICE)
    fields = dict(document)
    if (schema := fields.pop("schema", None)) != SCHEMA:
        raise SpecError(f"{what} is of schema {schema}, not {SCHEMA}", advice=_ADVICE)
    return fields


def _checked(fields: dict[str, Any], of: type[Any], what: str) -> dict[str, Any]:
    known = {one.name: one for one in dataclasses.fields(of)}
    required = {
        name
        for name, one in known.items()
        if one.default is dataclasses.MISSING and one.default_factory is dataclasses.MISSING
    }
    _check_names(fields, required, set(known), what)
    for name, value in fields.items():
        part = known[name].metadata.get("of")
        if part is None or value is None:
            continue
        for entry in value if isinstance(value, list) else [value]:
            where = f"an entry of {name} in {what}"
            if not isinstance(entry, dict):
                raise SpecError(f"{where} is no JSON object", advice=_ADVICE)
            keys = cast("Any", part)
            _check_names(
                entry,
                keys.__required_keys__,
                keys.__required_keys__ | keys.__optional_keys__,
                where,
            )
    return fields


def _check_names(
    fields: Mapping[str, Any], required: set[str] | frozenset[str], known: set[str], what: str
) -> None:
    if missing := sorted(required - fields.keys()):
        raise SpecError(f"{what} lacks {', '.join(missing)}", advice=_ADVICE)
    if unknown := sorted(fields.keys() - known):
        raise SpecError(f"{what} has unknown fields: {', '.join(unknown)}", advice=_ADVICE)
