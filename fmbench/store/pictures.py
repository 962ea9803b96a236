"""Arrays that a metric leaves in a run's directory for pictures: an .npz file of each measurement."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

import numpy as np

from fmbench.errors import FmbenchError
from fmbench.store import files

SUFFIX = ".npz"


def write(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write arrays by name, atomically; the same arrays give the same bytes.

    Raises:
        FmbenchError: the file system refuses.
    """

    def archive(stream: BinaryIO) -> None:
        with zipfile.ZipFile(stream, "w") as file:
            for name, array in arrays.items():
                entry = zipfile.ZipInfo(f"{name}.npy")  # dated 1980, whenever it is written
                entry.compress_type = zipfile.ZIP_DEFLATED
                with file.open(entry, "w") as part:
                    np.lib.format.write_array(part, array, allow_pickle=False)

    files.write_atomically(path, archive)


def read(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a file, by name.

    Raises:
        FmbenchError: it cannot be read, or is damaged.
    """
    content = files.read_bytes(path)
    try:
        with np.load(io.BytesIO(content or b""), allow_pickle=False) as arrays:
            return dict(arrays)
    except (ValueError, EOFError, AttributeError, zipfile.BadZipFile, zlib.error) as error:
        raise FmbenchError(f"{path} is damaged: remove it, and measure again with 'fmbench eval --renew'") from error
