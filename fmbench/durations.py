"""Lengths of time as people write and read them."""

from __future__ import annotations

import re
from itertools import pairwise

from fmbench.errors import FmbenchError

UNITS = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}
NUMBER = r"\d+(?:\.\d+)?"
WRITTEN = re.compile("".join(rf"(?:(?P<{unit}>{NUMBER}){unit})?" for unit in UNITS))
SHOWN = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))


def parse(text: str, name: str) -> float:
    """Seconds of "90", "90s", "10m", "2h", "1h30m" or "1d".

    Args:
        text: a number of seconds, or numbers with units, the longest first.
        name: what is given, for the error, as "--timeout".

    Raises:
        FmbenchError: it is none of these, or not longer than zero.
    """
    bare = text.strip().lower()
    match = WRITTEN.fullmatch(f"{bare}s" if re.fullmatch(NUMBER, bare) else bare)
    parts = match.groupdict(default="0") if match else {}
    seconds = sum(float(parts[unit]) * UNITS[unit] for unit in parts)
    if not seconds > 0:
        raise FmbenchError(f"{name} {text!r}: write a length of time as 90 (seconds), 90s, 10m, 2h or 1h30m")
    return seconds


def show(seconds: float) -> str:
    """Seconds as "45 s", "12 min 5 s", "3 h 20 min" or "2 d 4 h": the two largest units, rounded to the lesser."""
    for (unit, size), (finer, step) in pairwise(SHOWN):
        rounded = round(seconds / step) * step
        if rounded >= size:
            whole, rest = divmod(rounded, size)
            return f"{whole} {unit}" + (f" {rest // step} {finer}" if rest else "")
    return f"{round(seconds)} s" if seconds >= 1 else "< 1 s"
