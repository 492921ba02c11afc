"""What a person is told of an error that no command expected."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path

import pytest

from pixd.cli import trouble
from pixd.cli.commands import export


def test_the_advice_of_a_refused_path_names_one_that_can_be_looked_at(tmp_path: Path) -> None:
    (tmp_path / "there").touch()
    for name, looked_at in (("there", "there"), ("none/x", ""), ("none", "")):
        error = PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(tmp_path / name))
        told = trouble.as_pixd_error(error)
        assert str(tmp_path / name) in told.message
        assert f"`ls -ld {tmp_path / looked_at}`" in told.advice


def test_an_export_that_may_not_write_names_the_folder_and_no_temporary_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> str:
        raise PermissionError(errno.EACCES, "Permission denied", f"{tmp_path}/.pixd-export-a1b2")

    monkeypatch.setattr(tempfile, "mkdtemp", refuse)
    with pytest.raises(PermissionError) as refused, export._room(tmp_path / "model", {}, 1):
        pass
    assert refused.value.filename == str(tmp_path)
