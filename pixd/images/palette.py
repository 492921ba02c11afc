"""Colours for class ids: neighbouring ids look alike as greys, and a network hardly tells them apart.

Promises: an id has the same colour always and everywhere, however many ids there are, so that
pictures that were coloured at different times fit together. Any two colours differ by 36 levels
in some channel; those of the first 13 ids by 73. It needs no arrays.

Leaves to others: the pictures (`pixd.images.label_colours`), and files with a palette
(`pixd.training.prepare.palettes`).
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

IDS: Final = 256
_COLOUR: Final = re.compile(r"#[0-9a-f]{6}")

# Made once: of the colours with 8 levels a channel, each is the one farthest in CIE L*a*b* from
# all before it (and from white), the first of equals. 0 is black and 255 is white, because these
# stand for the background and for "no class" in most sets.
# Source: Glasbey et al. 2007, "Colour displays for categorical images", section 3.
_TABLE: Final = (
    "0000000000ff00ff00ff0000ff24b6ffdb24006ddb006d00b66d4900ffb60092926d0049ffb6ff000092ff496d"
    "b6ff6ddb24ff6d6d92ffdb92ff922400b6ff24ffff4949000000499200009292009249b649000000b60092926d"
    "ffb6b66db66d6d49ff244949dbff00db6d92002449ff6d496d4949b6ffdbff6dff00ff6db6b6db002400b692ff"
    "246d49b6006d4949929200b649dbffb6924900b69292b6b692ff246d6dff49db6ddb0024b66db62400244992b6"
    "dbdbb6b66d00ffff929292db92496d49006db624499200ff92b6006d4924006db6b69292dbffb6ff00db6d2400"
    "ffb624496d24b6db6db60092b64900ff92ffff499292ffb6db6d6ddbdb49dbb649ffdbffff926d00ffdb6d6d6d"
    "b66dffb6b66dffb66d4949b6009249490024ff6d006d92246ddbdbffb6922492006d6d00db4949004900db92b6"
    "924949ffff4900496d926d004900db6db64992b69292db2424db00922424b649ff920049924900b6ffff49246d"
    "00ff926ddb49b649920049dbb6ff9200006d244924242400002424ff6db66d0024240000494924ff92dbffdbdb"
    "6d92ff6d496d6d0092ff0049ff4924246d6db6dbff49240049242449db92b6926d6ddbb692006db6b6494900b6"
    "ff6ddbb624b6492449b6920092b6ffff006d49004900246dff0092ff6d926d49009200dbb6db00db00b6b60024"
    "24926d922492000024b692b6006d922492db6d49db9292926d6d4900ff49dbb60049496db624006d9249ff9249"
    "6d6ddbdb92246db600ffdbb66d6db6b6db49926d4949b6db926d6db6b600926d92ff49ff24db49db4900494949"
    "ff4949b66d6db649db924924db24926d246ddb6d00002492b66d9200b6b66d926dffffb69249926d9292db0049"
    "6d2424929249b66ddbb64949db6d499292b6ff929292db92b6496db6b69292b66d6d24b6b6dbdbb6dbb6db006d"
    "6ddb006d24496dff49db000092b64900b66d242424b6ff00dbb66ddb926dffff00ff92b6db9249dbb692dbb6b6"
    "ffdb6d00b649db6db6dbb6dbdb9292ffb6db499224db6ddbb6b6b6dbff49db92dbdbb6ffff00ff00dbb6ff6d6d"
    "ffffff"
)
Palette = dict[int, str]
"""By id: its colour, as "#rrggbb"."""


def usual_palette() -> Palette:
    """Return the colours of all 256 ids."""
    return {number: f"#{_TABLE[6 * number : 6 * number + 6]}" for number in range(IDS)}


def read_palette(text: str) -> Palette:
    """Read a palette that `write_palette` wrote, or a person.

    Raises:
        ValueError: it is not an object of ids, 0 to 255, and colours; the message says what is wrong.
    """
    found = json.loads(text)
    if not isinstance(found, dict) or not found:
        raise ValueError('no object such as {"0": "#000000", "1": "#0000ff"}')
    palette = {}
    for name, colour in found.items():
        if not (name.isdecimal() and name.isascii() and int(name) < IDS):
            raise ValueError(f"{name} is no class id from 0 to {IDS - 1}")
        if not (isinstance(colour, str) and _COLOUR.fullmatch(colour.lower())):
            raise ValueError(f"the colour of {name} is not such as #00ff00")
        palette[int(name)] = colour.lower()
    return palette


def write_palette(palette: Mapping[int, str]) -> str:
    """Return a palette as JSON, an id in a line."""
    return json.dumps({str(number): palette[number] for number in sorted(palette)}, indent=1) + "\n"
