"""name -> spec, with the origin of each and a helpful answer to a name it does not have."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, TypeVar

from fmbench.errors import unknown
from fmbench.registry.specs import Spec

SpecT = TypeVar("SpecT", bound=Spec)


class Registry(Generic[SpecT]):
    """The specs of one kind, in the order in which plugins offered them.

    Args:
        kind: what it holds, in the singular, as "method".
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.hint = ""
        self._entries: dict[str, tuple[SpecT, str]] = {}

    def add(self, spec: SpecT, origin: str) -> None:
        """Add a spec; the first owner of a name keeps it.

        Raises:
            ValueError: the name is taken; the text says by whom.
        """
        same = [name for name in self._entries if name.lower() == spec.name.lower()]
        if same and spec.name not in same:
            raise ValueError(f"{self.kind} {spec.name!r} differs from {same[0]!r} by capitals alone")
        if spec.name in self._entries:
            owner = self._entries[spec.name][1]
            raise ValueError(f"{self.kind} {spec.name!r} is already provided by {owner}")
        self._entries[spec.name] = (spec, origin)

    def remove(self, name: str) -> None:
        """Forget a spec."""
        del self._entries[name]

    def get(self, name: str) -> SpecT:
        """The spec of that name.

        Raises:
            FmbenchError: there is none; the text has the nearest match and the list.
        """
        if name not in self._entries:
            raise unknown(self.kind, name, self._entries, self.hint)
        return self._entries[name][0]

    def origin(self, name: str) -> str:
        """Which plugin the spec came from."""
        self.get(name)
        return self._entries[name][1]

    def __iter__(self) -> Iterator[SpecT]:
        return (spec for spec, _ in self._entries.values())

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __len__(self) -> int:
        return len(self._entries)
