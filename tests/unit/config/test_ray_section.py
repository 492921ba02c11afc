"""The `engine` and `ray` keys: what may be in them, and what `engine: ray` needs."""

from __future__ import annotations

from pathlib import Path

import pytest

from pixd.config import RaySettings, RayTrainSettings, RayTranslateSettings
from pixd.config.effective import effective_yaml
from tests.support.config_files import FOLDERS, ONE_PIPELINE, read, refusal

NEEDED = "engine: ray\nray: {address: 10.0.0.5:6379, token: tok}\n"


def test_the_engine_is_local_and_its_cluster_may_be_described_already(tmp_path: Path) -> None:
    settings = read(tmp_path, "ray: {silent_seconds: 30}\n" + ONE_PIPELINE)
    assert settings.engine == "local"
    assert settings.ray == RaySettings(silent_seconds=30.0)


def test_what_is_written_is_read_and_comes_back(tmp_path: Path) -> None:
    text = (
        "engine: ray\nray:\n  address: gpu1.lan:6379\n  token: secret/token\n  tls: ./tls\n"
        "  silent_seconds: 5\n  fallback: local\n  cache_bytes: 1_000_000_000\n"
        "  train: {gpus: 2, cpus: 8, memory_bytes: 12000000000}\n"
        "  translate: {gpus: 0, cpus: 1, most: 3, idle_seconds: 60}\n"
    )
    settings = read(tmp_path, text + ONE_PIPELINE)
    assert settings.engine == "ray"
    assert settings.ray == RaySettings(
        address="gpu1.lan:6379",
        token=tmp_path / "secret" / "token",
        tls=tmp_path / "tls",
        silent_seconds=5.0,
        fallback="local",
        cache_bytes=1_000_000_000,
        train=RayTrainSettings(gpus=2, cpus=8, memory_bytes=12_000_000_000),
        translate=RayTranslateSettings(gpus=0, cpus=1, most=3, idle_seconds=60.0),
    )
    assert read(tmp_path, effective_yaml(settings)) == settings


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("engine: dask", "expected local or ray, got dask"),
        ("engine: ray", "ray.address: missing with engine: ray"),
        ("engine: ray", "ray.token: missing with engine: ray"),
        ("ray: 10.0.0.5", "expected a mapping of keys"),
        ("ray: {address: 10.0.0.5}", "expected the address of the cluster's head"),
        ("ray: {address: 'ray://10.0.0.5:10001'}", "expected the address of the cluster's head"),
        ("ray: {address: '10.0.0.5:0'}", "expected the address of the cluster's head"),
        ("ray: {address: '10.0.0.5:70000'}", "expected the address of the cluster's head"),
        ("ray: {token: 7}", "expected the path of a file that only its owner reads"),
        ("ray: {silent_seconds: 1}", "expected a number from 3 up to 3600"),
        ("ray: {fallback: never}", "expected wait or local"),
        ("ray: {train: {idle_seconds: 2}}", "unknown key"),
        ("ray: {translate: {memory: 4G}}", 'nearest known key is "memory_bytes"'),
        ("device: cpu\nray: {train: {gpus: 1}}", "expected 0, or none, with device: cpu"),
    ],
)
def test_what_cannot_be_is_refused_in_a_line(tmp_path: Path, text: str, problem: str) -> None:
    assert [line for line in refusal(tmp_path, f"{text}\n{ONE_PIPELINE}") if problem in line]


def test_ipv6_addresses_stand_in_brackets(tmp_path: Path) -> None:
    text = NEEDED.replace("10.0.0.5:6379", "'[fd00::5]:6379'")
    assert read(tmp_path, text + ONE_PIPELINE).ray.address == "[fd00::5]:6379"


def test_on_processors_alone_nothing_asks_for_a_gpu(tmp_path: Path) -> None:
    ray = read(tmp_path, "device: cpu\n" + NEEDED + ONE_PIPELINE).ray
    assert (ray.train.gpus, ray.translate.gpus) == (0, 0)


def test_a_gpu_that_is_demanded_is_also_asked_for(tmp_path: Path) -> None:
    text = "device: gpu\n" + NEEDED.replace("tok}", "tok, train: {gpus: 0}}")
    (line,) = refusal(tmp_path, text + ONE_PIPELINE)
    assert "expected gpus of 1 or more with device: gpu" in line


@pytest.mark.parametrize("name", ["ray", "engine"])
def test_a_pipeline_may_still_have_the_name_of_a_younger_key(tmp_path: Path, name: str) -> None:
    settings = read(tmp_path, f"{name}:\n{FOLDERS}")
    assert [one.name for one in settings.pipelines] == [name]
    assert (settings.engine, settings.ray) == ("local", RaySettings())
