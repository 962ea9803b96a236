from __future__ import annotations

import pytest

from fmbench import durations
from fmbench.errors import FmbenchError


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 90),
        ("0.5", 0.5),
        ("90s", 90),
        ("10m", 600),
        ("2h", 7200),
        ("1h30m", 5400),
        ("1.5h", 5400),
        ("1d2h3m4s", 93784),
        (" 2H ", 7200),
    ],
)
def test_what_is_written(text, seconds):
    assert durations.parse(text, "--timeout") == seconds


@pytest.mark.parametrize("text", ["", "0", "0h", "-5", "5x", "m", "30m1h", "1h 30m", "inf", "nan", "1e3", "²", "1h30"])
def test_what_is_no_length_of_time(text):
    with pytest.raises(FmbenchError, match=r"--timeout .*: write a length of time as 90") as caught:
        durations.parse(text, "--timeout")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "< 1 s"),
        (0.7, "< 1 s"),
        (1, "1 s"),
        (59.4, "59 s"),
        (59.6, "1 min"),
        (75, "1 min 15 s"),
        (3599, "1 h"),
        (12_000, "3 h 20 min"),
        (86_399, "1 d"),
        (187_200, "2 d 4 h"),
    ],
)
def test_what_is_shown(seconds, text):
    assert durations.show(seconds) == text
