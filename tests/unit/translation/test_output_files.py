"""The name of an output, and what may stand in its way."""

from __future__ import annotations

from pathlib import Path

from pixd.system.digests import digest_of
from pixd.translation import output_files
from pixd.translation.output_files import Standing


def test_a_name_that_leaves_no_room_for_the_suffix_is_refused() -> None:
    assert output_files.refusal("L" * 251 + ".jpg", is_input=lambda _: False)
    assert not output_files.refusal("L" * 247 + ".jpg", is_input=lambda _: False)
    assert output_files.refusal("L" * 245 + ".jpg", is_input=lambda _: False, samples=16)
    assert not output_files.refusal("L" * 244 + ".jpg", is_input=lambda _: False, samples=16)


def test_the_input_that_bears_the_output_name_itself_has_the_older_claim() -> None:
    assert "x.jpg.png" in output_files.refusal("x.jpg", is_input=lambda _: True)
    assert not output_files.refusal("x.jpg.png", is_input=lambda _: True)
    several = output_files.refusal("x.jpg", is_input=lambda _: True, samples=2)
    assert several == "its outputs' names are those of the input x.jpg.png: rename one of them"


def test_what_stands_at_the_target_is_told_apart(tmp_path: Path) -> None:
    target = tmp_path / "x.png"
    ours, wanted = digest_of(b"ours"), digest_of(b"wanted")
    assert output_files.look(target, wanted, ours) is Standing.NOTHING
    target.write_bytes(b"ours")
    assert output_files.look(target, wanted, ours) is Standing.OURS
    assert output_files.look(target, wanted, None) is Standing.FOREIGN
    target.write_bytes(b"wanted")
    assert output_files.look(target, wanted, None) is Standing.WANTED
    target.write_bytes(b"touched up by hand")
    assert output_files.look(target, wanted, ours) is Standing.EDITED
    target.unlink()
    target.mkdir()
    assert output_files.look(target, wanted, ours) is Standing.FOREIGN


def test_publishing_replaces_whole_files_and_leaves_nothing_else(tmp_path: Path) -> None:
    source = tmp_path / "object"
    source.write_bytes(b"new")
    out = tmp_path / "out"
    target = out / "deep" / "x.png"
    (error,) = output_files.publish_each([(source, target)], below=out)
    assert isinstance(error, OSError)
    out.mkdir()
    assert output_files.publish_each([(source, target)], below=out) == [None]
    source.write_bytes(b"newer")
    assert output_files.publish_each([(source, target)], below=out) == [None]
    assert target.read_bytes() == b"newer"
    assert [p.name for p in target.parent.iterdir()] == ["x.png"]
