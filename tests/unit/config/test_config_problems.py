from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixd.config.load import load
from pixd.config.pair_kinds import KINDS
from pixd.config.surprises import surprises
from pixd.system.errors import ConfigError
from tests.support.config_files import (
    FOLDERS,
    ONE_PIPELINE,
    every_key,
    in_pipeline,
    in_train,
    read,
    refusal,
)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("image_size: 100", "expected a power of two from 32 to 1024, got 100"),
        ("image_size: 16", "expected a whole number from 32 to 1024, got 16"),
        ("image_size: 2048", "expected a whole number from 32 to 1024, got 2048"),
        ("image_size: 256.0", "expected a whole number from 32 to 1024, got 256.0"),
        ("image_size: true", "expected a whole number from 32 to 1024, got true"),
        ('image_size: "64"', 'expected a whole number from 32 to 1024, got the text "64"'),
        ("image_size:", "expected a whole number from 32 to 1024, got nothing"),
        ("image_size: [64]", "expected a whole number from 32 to 1024, got a list"),
        ("image_size: 0100", "expected a whole number from 32 to 1024, got 0100"),
        ("settle_seconds: -1", "expected a number from 0 up to 3.1536e+07, got -1"),
        ("settle_seconds: 1:30", "expected a number from 0 up to 3.1536e+07, got 1:30"),
        ("settle_seconds: .inf", "expected a number from 0 up to 3.1536e+07, got .inf"),
        ("settle_seconds: .nan", "expected a number from 0 up to 3.1536e+07, got .nan"),
        ("settle_seconds: 2s", "expected a number from 0 up to 3.1536e+07, got 2s"),
        (
            "pairs: sidebyside",
            f"expected {', '.join([*KINDS][:-1])} or {[*KINDS][-1]}, got sidebyside",
        ),
        ("direction: no", "expected AtoB or BtoA, got no"),
        ("fit: {a: 1}", "expected pad, crop, stretch or tile, got a mapping"),
        ("alpha: true", "expected drop or keep, got true"),
        ("value_range: 7", "expected auto, full, 8, 9, 10, 11, 12, 13, 14, 15 or 16, got 7"),
        ("labels: true", "expected colours or ids, got true"),
        ("max_megapixels: 0", "expected a whole number from 1 to 2000, got 0"),
        ("sample: 0", "expected true or false, got 0"),
        ("samples: 17", "expected a whole number from 1 to 16, got 17"),
        ("train: 7", "expected a mapping of keys, got 7"),
    ],
)
def test_a_wrong_value_says_what_was_expected_and_what_was_given(
    tmp_path: Path, line: str, expected: str
) -> None:
    key = line.split(":", maxsplit=1)[0]
    assert refusal(tmp_path, in_pipeline(line)) == [
        f"config.yaml:6: pipelines.facades.{key}: {expected}"
    ]


def test_a_batch_that_replicas_cannot_share_is_refused(tmp_path: Path) -> None:
    (problem,) = refusal(tmp_path, in_train("batch_size: 6", "replicas: 4"))
    assert problem.startswith("config.yaml:7: pipelines.facades.train.batch_size: expected")
    assert problem.endswith("a multiple of replicas (4), got 6")


def test_several_samples_without_dropout_would_all_be_the_same(tmp_path: Path) -> None:
    (problem,) = refusal(tmp_path, in_pipeline("samples: 3"))
    assert problem == (
        "config.yaml:6: pipelines.facades.samples: expected 1, or none, without sample: true, where"
        " all outputs of an input would be the same; got 3"
    )
    (pipeline,) = read(tmp_path, in_pipeline("sample: true\n    samples: 3")).pipelines
    assert (pipeline.sample, pipeline.samples) == (True, 3)


def test_an_unknown_precision_is_told_the_known_ones(tmp_path: Path) -> None:
    (problem,) = refusal(tmp_path, "precision: float64\n" + ONE_PIPELINE)
    assert "expected auto, float32, bfloat16 or float16" in problem


@pytest.mark.parametrize("pairs", [name for name, kind in KINDS.items() if kind.is_made])
def test_a_direction_where_the_input_is_made_is_refused(tmp_path: Path, pairs: str) -> None:
    (problem,) = refusal(tmp_path, in_pipeline(f"pairs: {pairs}\n    direction: BtoA"))
    assert problem == (
        f"config.yaml:7: pipelines.facades.direction: expected AtoB, or none, with pairs: {pairs},"
        " where pixd makes the input from the picture; got BtoA"
    )


@pytest.mark.parametrize("pairs", [name for name, kind in KINDS.items() if kind.is_made])
def test_class_ids_where_the_input_is_made_are_refused(tmp_path: Path, pairs: str) -> None:
    (problem,) = refusal(tmp_path, in_pipeline(f"pairs: {pairs}\n    labels: ids"))
    assert problem.startswith("config.yaml:7: pipelines.facades.labels: expected colours, or none")


def test_a_blank_in_each_tile_is_refused(tmp_path: Path) -> None:
    (problem,) = refusal(tmp_path, in_pipeline("pairs: blank\n    fit: tile"))
    assert problem.endswith(
        "fit: expected pad, crop or stretch with pairs: blank, where each tile would get a blank of"
        " its own; got tile"
    )


def test_tiles_of_the_size_of_the_model_are_refused(tmp_path: Path) -> None:
    (problem,) = refusal(tmp_path, in_pipeline("fit: tile\n    output_size: model"))
    assert problem.endswith(
        "output_size: expected source, or none, with fit: tile, whose outputs are as large as their"
        " inputs; got model"
    )
    (pipeline,) = read(tmp_path, in_pipeline("fit: tile")).pipelines
    assert pipeline.output_size == "source"


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ("fit: crop\n    output_size: source", "what was cut away is not invented"),
        ("fit: tile\n    train: {jitter: false}", "squares cut out at random in any case"),
        ("fit: tile\n    max_megapixels: 128", "each of 3 decoders take up to 6.4 GB"),
        ("max_megapixels: 128", "each of 2 decoders take up to 6.4 GB"),
    ],
)
def test_what_may_surprise_is_told_and_no_error(tmp_path: Path, lines: str, told: str) -> None:
    assert list(surprises(read(tmp_path, ONE_PIPELINE))) == []
    (line,) = surprises(read(tmp_path, in_pipeline(lines)))
    assert line.startswith("facades: ")
    assert told in line


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ("$HOME/t", "variables are not filled in"),
        ("/data/${USER}/t", "variables are not filled in"),
        ("C:\\pics", "a backslash is a letter of the name"),
        ('"~"', "only ~/ means a home"),
        ("~bob/t", "only ~/ means a home"),
    ],
)
def test_a_folder_named_as_in_a_shell_or_on_windows_is_told(
    tmp_path: Path, written: str, why: str
) -> None:
    (line,) = surprises(read(tmp_path, ONE_PIPELINE.replace("./training", written)))
    assert line.startswith("facades: training: this is the folder /")
    assert why in line
    (line,) = surprises(read(tmp_path, f"store: {written}\n" + ONE_PIPELINE))
    assert line.startswith("store: ")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("epochs: 0", "a whole number from 1 to 1000000"),
        ("steps: 1e5", "a whole number from 1 to 1000000000"),
        ("learning_rate: 0", "a number above 0 up to 1"),
        ("beta_1: 1", "a number from 0 and below 1"),
        ("validation: 1", "a number from 0 up to 0.9"),
        ("seed: -1", "a whole number from 0 to 4294967295"),
        ("seed: " + "9" * 5000, "a whole number from 0 to 4294967295"),
        ("promote: never", "if-better, always or manual"),
        ("warm_start: true", "auto or never"),
    ],
)
def test_a_training_setting_out_of_range_is_refused(
    tmp_path: Path, line: str, expected: str
) -> None:
    (problem,) = refusal(tmp_path, in_train(line))
    key = line.split(":", maxsplit=1)[0]
    assert problem.startswith(f"config.yaml:7: pipelines.facades.train.{key}: expected {expected}")


def test_epochs_and_steps_together_are_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path, in_train("epochs: 3", "steps: 4")) == [
        "config.yaml:8: pipelines.facades.train.steps: expected either epochs or steps, got both"
    ]


def test_a_loss_of_nothing_is_refused(tmp_path: Path) -> None:
    (problem,) = refusal(tmp_path, in_train("gan_weight: 0", "l1_weight: 0"))
    assert "expected l1_weight or gan_weight above 0" in problem


@pytest.mark.parametrize(
    ("text", "where", "nearest"),
    [
        ("stroe: x\n" + ONE_PIPELINE, "1: stroe", "store"),
        (in_pipeline("fti: pad"), "6: pipelines.facades.fti", "fit"),
        (in_train("epoch: 3"), "7: pipelines.facades.train.epoch", "epochs"),
        (in_pipeline("keep: {model: 3}"), "6: pipelines.facades.keep.model", "models"),
    ],
)
def test_an_unknown_key_names_the_nearest_known_one(
    tmp_path: Path, text: str, where: str, nearest: str
) -> None:
    (problem,) = refusal(tmp_path, text)
    assert problem.startswith(f"config.yaml:{where}: unknown key; expected one of ")
    assert problem.endswith(f'the nearest known key is "{nearest}"')


@pytest.mark.parametrize(
    ("text", "where", "place"),
    [
        (ONE_PIPELINE + "train: {epochs: 3}\n", "6: train", "under pipelines.facades"),
        (ONE_PIPELINE + "training: ./t\n", "6: training", "under pipelines.facades"),
        ("epochs: 3\n" + ONE_PIPELINE, "1: epochs", "under pipelines.facades.train"),
        (in_pipeline("epochs: 3"), "6: pipelines.facades.epochs", "under pipelines.facades.train"),
        (in_pipeline("device: cpu"), "6: pipelines.facades.device", "at the top of the file"),
        (in_train("fit: pad"), "7: pipelines.facades.train.fit", "under pipelines.facades"),
        ("training: t\ninput: i\noutput: o\nseed: 3\n", "4: seed", "under train"),
        ("edges:\n  training: t\n  input: i\n  output: o\n  ngf: 8\n", "5: edges.ngf",
         "under edges.train"),
    ],
)  # fmt: skip
def test_a_known_key_in_the_wrong_place_is_told_where_it_belongs(
    tmp_path: Path, text: str, where: str, place: str
) -> None:
    assert refusal(tmp_path, text) == [f"config.yaml:{where}: unknown key here; it belongs {place}"]


def test_a_key_of_a_pipeline_where_there_is_none_belongs_under_one(tmp_path: Path) -> None:
    problems = refusal(tmp_path, "pipelines:\nfit: pad\n")
    assert "config.yaml:2: fit: unknown key here; it belongs under pipelines.NAME" in problems


def test_a_key_beside_the_name_of_its_pipeline_belongs_under_it(tmp_path: Path) -> None:
    text = "pipelines:\n  facades:\n    input: i\n    output: o\n  training: t\n  fit: pad\n"
    problems = refusal(tmp_path, text)
    for line, key in ((5, "training"), (6, "fit")):
        told = f"config.yaml:{line}: pipelines.{key}: unknown key here"
        assert f"{told}; it belongs under pipelines.facades" in problems


def test_a_key_of_one_of_several_pipelines_is_told_without_choosing_one(tmp_path: Path) -> None:
    two = ONE_PIPELINE + "  edges:\n" + FOLDERS.replace("./", "./edges-")
    (problem,) = refusal(tmp_path, two + "fit: pad\n")
    assert problem.endswith("fit: unknown key here; it belongs under pipelines.NAME")


@given(name=st.from_regex(r"[a-z_]{1,12}", fullmatch=True), place=st.sampled_from(["", "train"]))
def test_no_unknown_key_is_ever_ignored(
    tmp_path_factory: pytest.TempPathFactory, name: str, place: str
) -> None:
    folder = tmp_path_factory.mktemp("unknown")
    known = {key.removeprefix("pipelines.*.") for key in every_key()}
    full = f"{place}.{name}" if place else name
    if full in known or name in ("null", "train", "keep"):
        return
    problems = refusal(folder, in_train(f"{name}: 1") if place else in_pipeline(f"{name}: 1"))
    assert any(f".{full}: unknown key" in problem for problem in problems)


def test_a_key_given_twice_is_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path, in_train("flip: true", "ngf: 8", "flip: false")) == [
        "config.yaml:9: pipelines.facades.train.flip: duplicate key; it is already set on line 7"
    ]


def test_a_pipeline_given_twice_is_refused(tmp_path: Path) -> None:
    (problem,) = refusal(tmp_path, ONE_PIPELINE + "  facades:\n" + FOLDERS)
    assert problem.startswith("config.yaml:6: pipelines.facades: duplicate key")


def test_all_problems_are_told_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = (
        "device: tpu\n"
        "pipelines:\n"
        "  a:\n"
        "    training: 7\n"
        "    input: same\n"
        "    output: same\n"
        "    fitt: pad\n"
        "    train: {seed: x, seed: 2}\n"
        "  b/c: {}\n"
    )
    problems = refusal(tmp_path, text)
    assert [int(problem.split(":")[1]) for problem in problems] == [1, 4, 6, 7, 8, 8, 9]


@pytest.mark.parametrize("missing", ["training", "input", "output"])
def test_the_folders_have_no_default(tmp_path: Path, missing: str) -> None:
    text = ONE_PIPELINE.replace(f"    {missing}: ./{missing}\n", "")
    assert refusal(tmp_path, text) == [
        f"config.yaml:2: pipelines.facades.{missing}: missing; expected the path of a folder"
    ]


@pytest.mark.parametrize(
    "text", ["", "# nothing\n", "pipelines:\n", "pipelines: {}\n", "device: cpu"]
)
def test_a_file_without_a_pipeline_is_refused(tmp_path: Path, text: str) -> None:
    assert refusal(tmp_path, text) == [
        "config.yaml:1: pipelines: expected at least one pipeline, got none"
    ]


@pytest.mark.parametrize("path", ['""', "no", "1", "~", "[a]", '"a\\0b"', '"a\\nb"'])
def test_a_path_that_is_no_plain_text_is_refused(tmp_path: Path, path: str) -> None:
    (problem,) = refusal(tmp_path, ONE_PIPELINE.replace("./input", path))
    assert problem.startswith(
        "config.yaml:4: pipelines.facades.input: expected the path of a folder"
    )


# ------------------------------------------------------------------ folders against each other


@pytest.mark.parametrize(
    ("training", "inputs", "output", "key"),
    [
        ("t", "i", "t/out", "output"),
        ("t", "i", "i/out", "output"),
        ("t", "t/in", "o", "input"),
        ("i/t", "i", "o", "input"),
        ("t", "o/in", "o", "output"),
        ("same", "same", "o", "input"),
        ("t", "i", "i/", "output"),
        ("t", "i", "./x/../i/o", "output"),
        ("store/t", "i", "o", "training"),
        (".", "i", "o", "training"),
        ("/", "i", "o", "training"),
    ],
)
def test_no_folder_lies_in_another(
    tmp_path: Path, training: str, inputs: str, output: str, key: str
) -> None:
    text = f"pipelines: {{p: {{training: {training}, input: {inputs}, output: {output}}}}}\n"
    problems = refusal(tmp_path, text)
    assert problems
    assert problems[0].startswith(f"config.yaml:1: pipelines.p.{key}: expected a folder ")


def test_a_folder_in_another_is_found_through_symlinks(tmp_path: Path) -> None:
    (tmp_path / "training" / "deep").mkdir(parents=True)
    (tmp_path / "elsewhere").symlink_to("training/deep")
    (problem,) = refusal(tmp_path, ONE_PIPELINE.replace("./output", "elsewhere/out"))
    assert problem.startswith("config.yaml:5: pipelines.facades.output: expected a folder outside")
    assert f"{tmp_path}/training/deep/out" in problem


def test_neighbours_with_a_common_beginning_are_not_inside_one_another(tmp_path: Path) -> None:
    text = "training: set\ninput: set-2\noutput: set-2-out\n"
    assert read(tmp_path, text).pipelines


def test_two_pipelines_do_not_share_a_folder(tmp_path: Path) -> None:
    text = ONE_PIPELINE + "  maps:\n    training: t\n    input: ./input\n    output: o\n"
    (problem,) = refusal(tmp_path, text)
    assert problem == (
        "config.yaml:8: pipelines.maps.input: expected a folder of its own, "
        f"got the same one as pipelines.facades.input: {tmp_path}/input"
    )


@pytest.mark.parametrize("name", ["a/b", "a@1", "-p", "..", "é", "x" * 65, ""])
def test_a_name_that_would_not_fit_into_name_at_number_is_refused(
    tmp_path: Path, name: str
) -> None:
    text = ONE_PIPELINE.replace("facades", f'"{name}"')
    (problem,) = refusal(tmp_path, text)
    assert "expected a name of letters, digits" in problem


# ------------------------------------------------------------------ files that are no configuration


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a: [1\n", 2),
        ("a: b: c\n", 1),
        ("store: x\n\tdevice: cpu\n", 2),
        ("store: *nowhere\n", 1),
        ("store: a\n---\nstore: b\n", 2),
        ("store: a\n#\x07\n", 2),
    ],
)
def test_broken_yaml_names_the_line(tmp_path: Path, text: str, line: int) -> None:
    (problem,) = refusal(tmp_path, text)
    assert problem.startswith(f"config.yaml:{line}: not valid YAML: ")


@pytest.mark.parametrize("text", ["- a\n", "hello\n", "3\n"])
def test_a_file_that_is_no_mapping_is_refused(tmp_path: Path, text: str) -> None:
    assert "config.yaml:1: expected a mapping of keys" in refusal(tmp_path, text)[0]


def test_a_tag_is_not_carried_out(tmp_path: Path) -> None:
    (problem,) = refusal(tmp_path, '!!python/object/apply:os.system ["false"]\n')
    assert "expected a mapping of keys" in problem


def test_an_anchor_that_merges_itself_ends(tmp_path: Path) -> None:
    refusal(tmp_path, "pipelines: &a\n  <<: [*a, *a]\n  x: *a\n")


def test_deep_nesting_is_refused_and_not_a_crash(tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        read(tmp_path, "a: " + "[" * 100_000)


def test_text_that_is_not_utf8_names_the_line(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_bytes(b"store: a\ndevice: \xff\n")
    with pytest.raises(ConfigError, match=r"config\.yaml:2: not UTF-8 text"):
        load(path)


def test_a_byte_order_mark_does_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + ONE_PIPELINE.encode())
    assert load(path).pipelines


def test_a_file_that_cannot_be_one_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        load(tmp_path / "none.yaml")
    with pytest.raises(ConfigError, match="not a regular file"):
        load(tmp_path)
    (tmp_path / "big.yaml").write_text("#" * (1 << 20) + "\n")
    with pytest.raises(ConfigError, match="over 1 MiB"):
        load(tmp_path / "big.yaml")
