"""The table of formats: each row knows its own files and nobody else's."""

from __future__ import annotations

import subprocess
import sys

import pytest

from pixd.folders import ignored
from pixd.images import decode, formats
from pixd.system.errors import ImageRejectedError
from tests.support.images import encoded, gradient
from tests.unit.images.test_heif import as_heic


@pytest.mark.parametrize("kind", formats.FORMATS, ids=lambda kind: kind.name)
def test_a_file_is_known_by_its_first_bytes_and_opened(kind: formats.Format) -> None:
    image = gradient(16, 16)
    data = as_heic(image) if kind.name == "HEIC" else encoded(image, kind.pillow_name)
    assert formats.format_of(data) is kind
    assert decode.decode(data).size == (16, 16)
    if kind.ends:
        assert formats.ends_as_it_should(data[:32], data[-64:], len(data))
        assert not formats.ends_as_it_should(data[:32], data[-65:-1], len(data) - 1)


@pytest.mark.parametrize("kind", formats.FORMATS, ids=lambda kind: kind.name)
def test_the_scan_ignores_no_name_of_a_format(kind: formats.Format) -> None:
    for ending in kind.endings:
        assert not ignored.is_ignored("picture" + ending)
        assert not ignored.is_ignored("picture" + ending.upper())


def test_what_only_begins_as_a_picture_is_refused() -> None:
    for kind in formats.FORMATS:
        head = (
            as_heic(gradient(16, 16))
            if kind.name == "HEIC"
            else encoded(gradient(16, 16), kind.pillow_name)
        )
        with pytest.raises(ImageRejectedError):
            decode.decode(head[:20])


def test_the_table_loads_no_decoder() -> None:
    code = (
        "import sys, pixd.images.formats; print([m for m in ('PIL', 'numpy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
