"""Randomness by name: every stream is a pure function of (seed, purpose, index).

Nothing is drawn in order from one generator, so that a resumed run repeats an uninterrupted one and the same seed
gives every method the same batches and the same evaluation noise.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


def derive(*names: object) -> int:
    """A 63-bit seed from names and numbers."""
    text = "\x1f".join(map(str, names))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1


def reseed(device: torch.device, *names: object) -> None:
    """Seed the generators that belong to nobody: PyTorch's of a device, NumPy's and Python's.

    What draws from them instead of the generator that it is given repeats all the same. (`torch.manual_seed` visits
    every backend, in a tenth of a step.)
    """
    seed = derive(*names)
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        torch.cuda.manual_seed(seed)


@contextmanager
def generators_kept() -> Iterator[None]:
    """Give the process its generators back as they were, when the block ends."""
    before = random.getstate(), np.random.get_state()
    with torch.random.fork_rng(devices=()):
        try:
            yield
        finally:
            random.setstate(before[0])
            np.random.set_state(before[1])


def stream(device: torch.device | str, *names: object) -> torch.Generator:
    """A generator on a device, seeded by names and numbers."""
    return torch.Generator(device).manual_seed(derive(*names))
