"""Numbers with their nouns, spans of time and numbers of bytes, as people read them."""

from __future__ import annotations

_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_KILO = 1000


def duration(seconds: float) -> str:
    """Write a span of time with one or two units."""
    whole = int(seconds)
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < 10 * _MINUTE:
        return f"{whole // _MINUTE} min {whole % _MINUTE:02d} s"
    if whole < _HOUR:
        return f"{whole // _MINUTE} min"
    if whole < _DAY:
        return f"{whole // _HOUR} h {whole % _HOUR // _MINUTE:02d} min"
    return f"{whole // _DAY} d {whole % _DAY // _HOUR} h"


def size(number: float) -> str:
    """Write a number of bytes with a decimal unit."""
    if number < _KILO:
        return f"{number:.0f} B"
    for unit in ("kB", "MB", "GB"):
        number /= _KILO
        if number < _KILO:
            return f"{number:.1f} {unit}"
    return f"{number / _KILO:.1f} TB"


def counted(number: float, noun: str) -> str:
    """Write how many of something there are: "1 pair", "2 pairs"."""
    return f"{number:.15g} {noun}{'s' * (number != 1)}"


def has_or_have(number: int) -> str:
    """Return the verb that fits to so many."""
    return "has" if number == 1 else "have"


def is_or_are(number: int) -> str:
    """Return the verb that fits to so many."""
    return "is" if number == 1 else "are"


def looks_or_look(number: int) -> str:
    """Return the verb that fits to so many."""
    return "looks" if number == 1 else "look"
