from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest
import yaml

from pixd.config import KeepSettings, PipelineSettings, RaySettings, Settings, TrainSettings
from pixd.config.effective import effective_yaml
from pixd.config.load import load
from pixd.config.location import find
from pixd.config.rules import Choice, rule_of
from pixd.system.errors import ConfigError
from tests.support.config_files import (
    ONE_PIPELINE,
    every_key,
    in_pipeline,
    in_train,
    keys_of,
    read,
    refusal,
)

REPOSITORY = Path(__file__).parents[3]
# From the public interface; written out so that a changed default is a changed test.
PIPELINE_DEFAULTS = {
    "pairs": "side-by-side",
    "direction": "AtoB",
    "image_size": 256,
    "fit": "pad",
    "output_size": "model",
    "alpha": "drop",
    "labels": "colours",
    "value_range": "auto",
    "max_megapixels": 64,
    "settle_seconds": 2,
    "sample": False,
    "samples": 1,
}
TRAIN_DEFAULTS = {
    "quiet_seconds": 30,
    "epochs": 200,
    "steps": None,
    "batch_size": 1,
    "replicas": 1,
    "ngf": 64,
    "ndf": 64,
    "learning_rate": 0.0002,
    "beta_1": 0.5,
    "l1_weight": 100,
    "gan_weight": 1,
    "jitter": True,
    "flip": True,
    "seed": 0,
    "validation": 0.1,
    "patience": "auto",
    "warm_start": "auto",
    "early": "auto",
    "early_seconds": 60.0,
    "promote": "if-better",
    "on_upgrade": "keep",
}
KEEP_DEFAULTS = {"models": 10, "orphans": True, "free_bytes": 64_000_000}


# ------------------------------------------------------------------ defaults and paths


def test_every_default_is_the_documented_one(tmp_path: Path) -> None:
    settings = read(tmp_path, ONE_PIPELINE)
    (pipeline,) = settings.pipelines
    assert (settings.store, settings.device, settings.precision) == (
        tmp_path / "store",
        "auto",
        "auto",
    )
    assert pipeline.name == "facades"
    assert {name: getattr(pipeline, name) for name in PIPELINE_DEFAULTS} == PIPELINE_DEFAULTS
    assert dataclasses.asdict(pipeline.train) == TRAIN_DEFAULTS
    assert dataclasses.asdict(pipeline.keep) == KEEP_DEFAULTS
    assert pipeline.train == TrainSettings()
    assert pipeline.keep == KeepSettings()


WITHOUT_DEFAULT = {
    *("metrics", "pipelines.*.train.steps"),
    *("ray.address", "ray.token", "ray.tls"),
}


def test_the_example_at_the_top_of_the_repository_sets_every_key_to_its_default(
    tmp_path: Path,
) -> None:
    text = (REPOSITORY / "config.yaml").read_text(encoding="utf-8")
    example = read(tmp_path, text)
    assert example == read(tmp_path, ONE_PIPELINE)
    assert set(every_key()) - set(keys_of(yaml.safe_load(text))) == WITHOUT_DEFAULT
    assert "\n# metrics: " in text


def test_the_metrics_file_is_named_relative_to_the_file_and_comes_back(tmp_path: Path) -> None:
    settings = read(tmp_path, "metrics: prom/pixd.prom\n" + ONE_PIPELINE)
    assert settings.metrics == tmp_path / "prom" / "pixd.prom"
    assert read(tmp_path, effective_yaml(settings)).metrics == settings.metrics


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("./input/pixd.prom", "expected a file outside pipelines.facades.input"),
        ("./store/pixd.prom", "expected a file outside store"),
        ("pixd.txt", "expected the path of a file that ends in .prom"),
        ("7", "expected the path of a file that ends in .prom"),
    ],
)
def test_a_metrics_file_that_nobody_would_collect_or_that_lies_in_a_folder_is_refused(
    tmp_path: Path, path: str, expected: str
) -> None:
    with pytest.raises(ConfigError, match=re.escape(expected)):
        read(tmp_path, f"metrics: {path}\n" + ONE_PIPELINE)


def test_every_key_and_every_choice_is_explained_in_the_docs() -> None:
    text = (REPOSITORY / "docs" / "config.md").read_text(encoding="utf-8")
    rows = {line.split("`")[1] for line in text.splitlines() if line.startswith("| `")}
    missing = {key.removeprefix("pipelines.*.") for key in every_key()} - rows
    assert not missing
    kinds = (Settings, RaySettings, PipelineSettings, TrainSettings, KeepSettings)
    rules = [rule_of(field) for kind in kinds for field in dataclasses.fields(kind)]
    choices = [word for rule in rules if isinstance(rule, Choice) for word in rule.allowed]
    assert {"auto", "side-by-side", "tile", "manual"} <= set(choices)
    assert [word for word in choices if f"`{word}`" not in text] == []


def test_paths_are_relative_to_the_file_and_not_to_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "etc"
    home.mkdir()
    (home / "config.yaml").write_text(
        ONE_PIPELINE.replace("./input", "../in").replace("./output", "/srv/out")
    )
    monkeypatch.chdir(tmp_path)
    settings = load(Path("etc/config.yaml"))
    assert settings.path == home / "config.yaml"
    assert settings.store == home / "store"
    (pipeline,) = settings.pipelines
    assert (pipeline.training, pipeline.input, pipeline.output) == (
        home / "training",
        tmp_path / "in",
        Path("/srv/out"),
    )


def test_a_path_is_shown_as_its_owner_wrote_it_and_not_resolved(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "training").symlink_to("disk")
    assert read(tmp_path, ONE_PIPELINE).pipelines[0].training == tmp_path / "training"


def test_dots_behind_a_symlink_go_where_the_kernel_goes(tmp_path: Path) -> None:
    (tmp_path / "disk" / "a").mkdir(parents=True)
    (tmp_path / "link").symlink_to("disk/a")
    settings = read(tmp_path, ONE_PIPELINE.replace("./training", "link/../set"))
    assert settings.pipelines[0].training.resolve() == tmp_path / "disk" / "set"


def test_a_path_may_start_at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ann")
    settings = read(tmp_path, ONE_PIPELINE.replace("./training", "~/pairs"))
    assert settings.pipelines[0].training == Path("/home/ann/pairs")


def test_settings_cannot_be_changed(tmp_path: Path) -> None:
    settings = read(tmp_path, ONE_PIPELINE)
    with pytest.raises(dataclasses.FrozenInstanceError):
        settings.device = "gpu"  # type: ignore[misc]


# ------------------------------------------------------------------ ways to write it


def test_a_lone_pipeline_may_stand_at_the_top_of_the_file(tmp_path: Path) -> None:
    settings = read(tmp_path, "training: t\ninput: i\noutput: o\ntrain: {epochs: 3}\n")
    (pipeline,) = settings.pipelines
    assert (pipeline.name, pipeline.training) == ("default", tmp_path / "t")
    assert pipeline.train.epochs == 3


def test_a_lone_pipeline_may_be_the_only_key(tmp_path: Path) -> None:
    named = read(tmp_path, ONE_PIPELINE)
    lone = read(tmp_path, ONE_PIPELINE.removeprefix("pipelines:\n").replace("  facades", "facades"))
    assert lone == named


def test_keys_of_a_pipeline_do_not_stand_beside_pipelines(tmp_path: Path) -> None:
    (problem,) = refusal(tmp_path, ONE_PIPELINE + "image_size: 64\n")
    assert problem.startswith("config.yaml:6: image_size: unknown key")


def test_several_pipelines_keep_the_order_of_the_file(tmp_path: Path) -> None:
    text = "pipelines:\n" + "".join(
        f"  {name}: {{training: {name}/t, input: {name}/i, output: {name}/o}}\n" for name in "zax"
    )
    assert [pipeline.name for pipeline in read(tmp_path, text).pipelines] == ["z", "a", "x"]


def test_steps_take_the_place_of_epochs(tmp_path: Path) -> None:
    train = read(tmp_path, in_train("steps: 500")).pipelines[0].train
    assert (train.epochs, train.steps) == (None, 500)


@pytest.mark.parametrize("written", ["1e-4", "1.0e-4", "0.0001", "1E-04"])
def test_a_number_may_have_an_exponent(tmp_path: Path, written: str) -> None:
    train = read(tmp_path, in_train(f"learning_rate: {written}")).pipelines[0].train
    assert train.learning_rate == 0.0001


@pytest.mark.parametrize(("written", "value"), [("no", False), ("yes", True), ("False", False)])
def test_yes_and_no_are_true_and_false(tmp_path: Path, written: str, value: bool) -> None:  # noqa: FBT001
    assert read(tmp_path, in_train(f"flip: {written}")).pipelines[0].train.flip is value


def test_a_section_with_nothing_in_it_has_the_defaults(tmp_path: Path) -> None:
    assert read(tmp_path, in_pipeline("train:")).pipelines[0].train == TrainSettings()


def test_anchors_and_merge_keys_work_and_own_keys_win(tmp_path: Path) -> None:
    text = (
        "pipelines:\n"
        "  a: {training: a/t, input: a/i, output: a/o, train: &t {epochs: 5, ngf: 32}}\n"
        "  b: {training: b/t, input: b/i, output: b/o, train: {<<: *t, ngf: 16}}\n"
    )
    first, second = read(tmp_path, text).pipelines
    assert (first.train.epochs, first.train.ngf) == (5, 32)
    assert (second.train.epochs, second.train.ngf) == (5, 16)


@pytest.mark.parametrize("promote", ["if-better", "always", "manual"])
def test_every_way_to_promote_is_accepted(tmp_path: Path, promote: str) -> None:
    assert read(tmp_path, in_train(f"promote: {promote}")).pipelines[0].train.promote == promote


# ------------------------------------------------------------------ finding and writing it


def test_the_first_place_that_has_a_file_wins(tmp_path: Path) -> None:
    environ = {"HOME": str(tmp_path / "home"), "XDG_CONFIG_HOME": str(tmp_path / "xdg")}
    user = tmp_path / "xdg" / "pixd" / "config.yaml"
    local = tmp_path / "here" / "config.yaml"
    named = tmp_path / "named.yaml"
    for path in (user, local, named):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    by_environment = environ | {"PIXD_CONFIG": str(local)}
    assert find(str(named), by_environment, local.parent) == named
    assert find("../named.yaml", environ, local.parent).samefile(named)
    assert find(None, environ | {"PIXD_CONFIG": str(named)}, local.parent) == named
    assert find(None, environ, local.parent) == local
    assert find(None, environ, tmp_path) == user


def test_the_user_folder_is_dot_config_where_xdg_does_not_say(tmp_path: Path) -> None:
    path = tmp_path / ".config" / "pixd" / "config.yaml"
    path.parent.mkdir(parents=True)
    path.touch()
    assert find(None, {"HOME": str(tmp_path)}, tmp_path) == path


def test_a_named_file_that_is_missing_is_not_replaced_by_another(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").touch()
    with pytest.raises(ConfigError, match="--config names it"):
        find("none.yaml", {}, tmp_path)
    with pytest.raises(ConfigError, match=r"\$PIXD_CONFIG names it"):
        find(None, {"PIXD_CONFIG": "none.yaml"}, tmp_path)


def test_where_no_file_is_found_all_places_are_told(tmp_path: Path) -> None:
    if Path("/etc/pixd/config.yaml").exists():
        pytest.skip("this machine has a pixd of its own")
    with pytest.raises(ConfigError) as caught:
        find(None, {"HOME": "/nowhere"}, tmp_path)
    for place in (str(tmp_path), "/nowhere/.config/pixd", "/etc/pixd/config.yaml"):
        assert place in caught.value.message
    assert "pixd init" in caught.value.advice


@pytest.mark.parametrize(
    "text",
    [
        ONE_PIPELINE,
        in_train("steps: 7", "learning_rate: 1e-5", "flip: no", "validation: 0.25"),
        ONE_PIPELINE.replace("facades", '"12"').replace("./input", '"on: #ä x"'),
    ],
)
def test_the_effective_settings_read_back_as_they_are(tmp_path: Path, text: str) -> None:
    settings = read(tmp_path, text)
    assert read(tmp_path, effective_yaml(settings)) == settings


def test_the_effective_settings_name_every_key(tmp_path: Path) -> None:
    tree = yaml.safe_load(effective_yaml(read(tmp_path, ONE_PIPELINE)))
    assert set(keys_of(tree)) == set(every_key()) - WITHOUT_DEFAULT
