from __future__ import annotations

from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from pixd.folders.known import KnownFiles
from pixd.store.known_file import KnownFile
from pixd.store.states import FileState

FILE = KnownFile(FileState.SETTLING)
NAMES = st.lists(st.sampled_from("abc"), min_size=1, max_size=4).map("/".join)


@given(st.lists(st.tuples(NAMES, st.booleans()), max_size=30), NAMES)
def test_it_yields_the_names_below_a_folder(changes: list[tuple[str, bool]], folder: str) -> None:
    known = KnownFiles()
    for name, is_added in changes:
        if is_added:
            known[name] = FILE
        elif name in known:
            del known[name]
        found = list(known.below(folder))
        assert sorted(found) == sorted(name for name in known if name.startswith(folder + "/"))
    again = KnownFiles()
    again["old/one"] = FILE
    again.fill(known)
    assert again == known
    assert not list(again.below("old"))
    for name in list(known):
        del known[name]
    assert not known._files
    assert not known._folders


def test_a_name_that_was_no_folder_costs_nothing() -> None:
    """Counted in names that are looked at: a writer's temporary names would go through all."""

    class Counted(KnownFiles):
        looked_at = 0

        def __iter__(self) -> Iterator[str]:
            for name in super().__iter__():
                Counted.looked_at += 1
                yield name

    known = Counted()
    for number in range(1000):
        known[f"{number % 10}/{number}.png"] = FILE
    assert [list(known.below(f"{n}.png.tmp")) for n in range(1000)] == [[]] * 1000
    assert len(list(known.below("7"))) == 100
    assert Counted.looked_at == 0
