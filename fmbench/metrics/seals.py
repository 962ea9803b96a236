"""What metrics are shown stays as it is: one that changes it changes no other's numbers."""

from __future__ import annotations

from torch import Tensor

from fmbench.data.base import sha256_of


class Seals:
    """Tensors with the digest that each had when it was first shown."""

    def __init__(self) -> None:
        self._sealed: list[tuple[str, tuple[Tensor, ...], str]] = []

    def add(self, what: str, *tensors: Tensor) -> None:
        """Seal tensors that are shown from now on.

        Args:
            what: they are, for people, as "the samples".
            tensors: on any device.
        """
        self._sealed.append((what, tensors, sha256_of(*tensors)))

    def broken(self) -> list[str]:
        """What has been changed since it was sealed."""
        changed = [what for what, tensors, digest in self._sealed if sha256_of(*tensors) != digest]
        return list(dict.fromkeys(changed))
