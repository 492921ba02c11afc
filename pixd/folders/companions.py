"""Files that people put beside pictures: a README, a licence, tables of labels. Pure.

Names alone do not decide, because images are told by content: `x.txt` that begins as an image is
an image. Only a file with such a name whose first bytes are of no image format is a companion. It
is rejected with `COMPANION` and nothing more: no commit, no run, no warning, no advice.
"""

from __future__ import annotations

from pixd.images.formats import format_of

COMPANION = "no picture by its content, and its name is that of a text or a table: left out"
HEAD_BYTES = 64
"""How many of the first bytes are looked at; more than any format needs to be told."""
_ENDINGS = (
    *(".txt", ".text", ".md", ".markdown", ".rst", ".rtf", ".tex", ".bib", ".pdf", ".doc", ".docx"),
    *(".odt", ".html", ".htm", ".css", ".csv", ".tsv", ".xls", ".xlsx", ".ods", ".parquet"),
    *(".json", ".jsonl", ".ndjson", ".geojson", ".xml", ".yaml", ".yml", ".toml", ".ini", ".cfg"),
    *(".log", ".md5", ".sha1", ".sha256", ".sha512", ".sfv", ".url", ".webloc", ".py", ".ipynb"),
    *(".sh", ".bat", ".r", ".m", ".dvc", ".lst", ".list", ".names", ".cff", ".nfo", ".db"),
)
_NAMES = frozenset(
    {
        *("readme", "license", "licence", "copying", "copyright", "notice", "authors", "credits"),
        *("citation", "changelog", "changes", "contributors", "makefile", "dockerfile", "md5sums"),
        *("sha256sums", "attribution", "terms", "version", "manifest", "index", "labels"),
    }
)


def may_be_companion(name: str) -> bool:
    """Tell whether a file is called as companions of pictures are. `name`: name text."""
    last = name.rpartition("/")[2].lower()
    return last.endswith(_ENDINGS) or last in _NAMES


def is_companion(name: str, head: bytes) -> bool:
    """Tell whether a file is a companion. `head`: its first `HEAD_BYTES`."""
    return may_be_companion(name) and format_of(head) is None
