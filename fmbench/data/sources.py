"""Where a dataset's published files are: in a folder of the user's, in the system's, in the cache, else fetched."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from fmbench.data.downloads import cache_folder, checked, fetch
from fmbench.errors import FmbenchError, Unavailable

VARIABLE = "FMBENCH_DATA"
PACKAGES = Path("/usr/share/datasets")  # where Debian's packages of datasets put theirs


@dataclass(frozen=True)
class Source:
    """The published files of a dataset.

    A file is looked for in FMBENCH_DATA/<name>, in FMBENCH_DATA itself, in the folder of a package of the system or of
    Python, and in the cache, in this order.

    Args:
        name: of the dataset, and of the folder that holds its files.
        url: of the folder that they are fetched from; "" where they are not.
        digests: SHA-256 of each file, by its name, as the URL sends it.
        hint: another way to come by them, as "install ..."; "" where there is none.
        package: of Python, whose folder may have them; "" where there is none.
    """

    name: str
    url: str
    digests: Mapping[str, str]
    hint: str = ""
    package: str = ""

    def here(self, file: str) -> Path | None:
        """The path of a file, if it is on this machine."""
        named = os.environ.get(VARIABLE)
        own = [Path(named) / self.name, Path(named)] if named else []
        folders = (*own, PACKAGES / self.name, *folders_of(self.package), cache_folder() / self.name)
        paths = (folder / file for folder in folders)
        return next((path for path in paths if path.is_file()), None)

    @property
    def present(self) -> bool:
        """Whether all the files are on this machine."""
        return all(self.here(file) for file in self.digests)

    def locate(self, file: str) -> Path:
        """The path of a file, which is fetched if it is nowhere; its content is the caller's to check.

        Raises:
            FmbenchError: it is nowhere and cannot be fetched.
        """
        try:
            return self.here(file) or self.fetched(file)
        except Unavailable as error:
            ways = f"{self.hint}, or set" if self.hint else "set"
            raise FmbenchError(
                f"dataset {self.name}: {error}, or {ways} {VARIABLE} to the folder that holds it"
            ) from error

    def fetched(self, file: str) -> Path:
        """The path of a file in the cache.

        Raises:
            FmbenchError: it has another digest.
            Unavailable: it cannot be fetched.
        """
        if not self.url:
            raise Unavailable(f"there is no {file} here, and no address to fetch it from")
        return fetch(f"{self.url}/{file}", cache_folder() / self.name / file, self.digests[file])

    def file(self, name: str) -> Path:
        """The path of a file, which has its digest.

        Raises:
            FmbenchError: it cannot be had, or is another one.
        """
        return checked(self.locate(name), self.digests[name])


def folders_of(package: str) -> list[Path]:
    """The folders of a package of Python; none where it is not installed."""
    try:
        found = find_spec(package) if package else None
    except ModuleNotFoundError:  # not even the package that it is in
        return []
    return [Path(folder) for folder in (found.submodule_search_locations or [])] if found else []
