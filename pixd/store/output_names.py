"""The names of an input's outputs, for Python and for SQL, and whether one stands under its name.

The output of ``x.png`` is ``x.png``; of any other ``x.jpg`` it is ``x.jpg.png``. Where an input has
several, with `samples: N`, they are ``x.1.png`` to ``x.N.png``, and ``x.jpg.1.png`` to
``x.jpg.N.png``. So two inputs share a sample's name only if they would share the one name too.
"""

from __future__ import annotations

from typing import Final

from pixd.store.states import OutputState

RENAME_ONE: Final = ": rename one of them"
"""How the reason ends of an input that is refused because its outputs' name is another one's."""
_SUFFIX: Final = ".png"


def output_name(input_name: str, number: int = 1, samples: int = 1) -> str:
    """Return the name text of an output of an input, relative to the output folder.

    Args:
        input_name: name text of the input.
        number: of the sample, from 1.
        samples: how many outputs each input has.
    """
    is_png = input_name.lower().endswith(_SUFFIX)
    name = input_name if is_png else input_name + _SUFFIX
    at = len(name) - len(_SUFFIX)
    return name if samples == 1 else f"{name[:at]}.{number}{name[at:]}"


def output_names(input_name: str, samples: int) -> list[str]:
    """Return the names of all outputs of an input, by number."""
    return [output_name(input_name, number, samples) for number in range(1, samples + 1)]


def output_name_sql(column: str, number: int, samples: int) -> str:
    """Return `output_name` as an expression of SQL.

    Args:
        column: of the input's name; trusted, as it goes into the expression.
        number: of the sample, from 1.
        samples: how many outputs each input has.
    """
    name = f"iif(lower(substr({column}, -4)) = '{_SUFFIX}', {column}, {column} || '{_SUFFIX}')"
    if samples == 1:
        return name
    return f"(substr({name}, 1, length({name}) - 4) || '.{int(number)}' || substr({name}, -4))"


def output_stands_sql(number: int, samples: int, is_right: str) -> str:
    """Return whether an input, a row of `file`, lacks no output of a number, as SQL.

    One that was edited by hand stands whatever made it: pixd replaces it only when asked.

    Args:
        number: of the sample, from 1.
        samples: how many outputs each input has.
        is_right: SQL of the model and recipe that any other must be of, as a row of `output`.
            ``?2`` is the pipeline.
    """
    return (
        "EXISTS (SELECT 1 FROM output WHERE output.pipeline = ?2"
        " AND output.input_path = file.path"
        f" AND output.path = {output_name_sql('file.path', number, samples)}"
        f" AND (output.state = '{OutputState.EDITED}' OR (output.state = '{OutputState.CURRENT}'"
        f" AND output.input_digest = file.digest AND ({is_right}))))"
    )
