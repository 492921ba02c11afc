"""What can be exported, and what that needs."""

from __future__ import annotations

import hashlib
from importlib import util
from pathlib import Path

import pytest

from pixd.cli.commands.export import wanted_formats
from pixd.config import export_formats, web_runtime
from pixd.system.errors import PixdError, UsageError


def test_formats_are_taken_once_and_in_the_order_of_the_table() -> None:
    assert wanted_formats(None, None) == ["savedmodel"]
    assert wanted_formats("litert, savedmodel,litert", "float32") == ["savedmodel", "litert"]


def test_an_unknown_format_is_answered_with_those_that_there_are() -> None:
    with pytest.raises(UsageError, match="no such format") as refused:
        wanted_formats("onnx,coreml", None)
    assert all(name in refused.value.advice for name in export_formats.FORMATS)


def test_a_precision_that_a_format_cannot_have_is_refused() -> None:
    with pytest.raises(UsageError, match="litert cannot have them") as refused:
        wanted_formats("litert", "int8")
    assert "float32, float16" in refused.value.advice


def test_a_missing_extra_is_named_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    found = util.find_spec
    monkeypatch.setattr(util, "find_spec", lambda name: None if name == "openvino" else found(name))
    assert wanted_formats("onnx", None) == ["onnx"]
    with pytest.raises(PixdError, match="not installed: openvino") as refused:
        wanted_formats("onnx,openvino", None)
    assert refused.value.advice == "pip install 'pixd[export]'"
    assert "\n" not in refused.value.message


def test_without_the_browsers_runtime_it_is_said_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(PixdError) as refused:
        web_runtime.find(None)
    assert f"npm pack onnxruntime-web@{web_runtime.VERSION}" in refused.value.advice


def test_only_the_runtime_that_was_tested_is_taken_and_then_kept(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    package = tmp_path / web_runtime.FILE
    package.write_bytes(b"another one")
    with pytest.raises(PixdError, match="is not onnxruntime-web"):
        web_runtime.find(str(package))
    assert not web_runtime.kept().exists()
    monkeypatch.setattr(web_runtime, "SHA512", hashlib.sha512(b"another one").hexdigest())
    assert web_runtime.find(str(package)) == package
    package.unlink()
    assert web_runtime.find(None).read_bytes() == b"another one"
    web_runtime.kept().write_bytes(b"damaged")
    with pytest.raises(PixdError, match="is not onnxruntime-web"):
        web_runtime.find(None)
