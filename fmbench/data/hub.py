"""Pictures in the format of Hugging Face's `datasets`: by a name on its hub, or in a local folder."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fmbench.data.base import Dataset
from fmbench.data.images import Shelf, Wish, laid_out
from fmbench.data.prepared import Arrays, prepared_dataset
from fmbench.errors import FmbenchError, describe
from fmbench.execution import OFFLINE

if TYPE_CHECKING:
    import datasets

LOCAL = (".", "/", "~")  # what a path begins with that is none of the hub's


def hf(*, path: str, config: str, column: str, size: int, crop: str, colour: str, test_every: int) -> Dataset:
    """The pictures of its splits `train` and `test`; where it has no `test`, every so manieth is held out.

    Args:
        path: a name on the hub, as user/name, or a local folder, as ./folder.
        config: which of its configurations; "" where it has one.
        column: that has the pictures; "" for the only one of that kind.
        size: as of `images`.
        crop: as of `images`.
        colour: as of `images`.
        test_every: as of `images`.

    Raises:
        FmbenchError: the package is not here, the dataset cannot be had, or a picture is not as it must be.
    """
    splits = loaded(path, config)
    if "train" not in splits:
        raise FmbenchError(f"{path}: has no split train, but {', '.join(sorted(splits))}")
    used = {name: part for name, part in splits.items() if name in ("train", "test")}
    known = {name: undecoded(part, column, path) for name, part in used.items()}
    wish = Wish(size, crop, colour)
    shelf = shelved(known)
    said = json.dumps([path, config, column, shelf.facts, size, crop, colour, test_every])

    def make() -> Arrays:
        return laid_out(shelf, wish, test_every)

    return prepared_dataset("hf", hashlib.sha256(said.encode()).hexdigest(), make)


def loaded(path: str, config: str) -> dict[str, datasets.Dataset]:
    """Its splits.

    Raises:
        FmbenchError: the package is not here, the name may mean two things, or the dataset cannot be had.
    """
    try:
        import datasets
    except ImportError as error:
        raise FmbenchError("dataset hf needs the package datasets, which is not here: pip install datasets") from error
    local = Path(path).expanduser()
    if not path.startswith(LOCAL) and local.exists():
        raise FmbenchError(
            f"data.hf.path = {path!r}: may be a name of the hub, and there is such a folder here: write ./{path} for "
            "the folder, or go to another folder"
        )
    offline = datasets.DownloadConfig(local_files_only=bool(os.environ.get(OFFLINE)))
    try:
        if (local / "dataset_dict.json").is_file() or (local / "state.json").is_file():
            found: Any = datasets.load_from_disk(str(local))
        else:
            found = datasets.load_dataset(path, config or None, download_config=offline)
    except (OSError, ValueError, KeyError, RuntimeError, datasets.exceptions.DatasetsError) as error:
        raise FmbenchError(f"dataset hf: {path} cannot be had ({describe(error)})") from error
    return dict(found) if isinstance(found, dict) else {"train": found}


def undecoded(part: datasets.Dataset, column: str, path: str) -> datasets.Dataset:
    """A split of the column of pictures alone, each as the bytes that were saved.

    Raises:
        FmbenchError: there is no such column, or none or several are of pictures.
    """
    import datasets

    known = [name for name, kind in part.features.items() if isinstance(kind, datasets.Image)]
    name = column or (known[0] if len(known) == 1 else "")
    if name not in known:
        told = ", ".join(known) or f"none, but {', '.join(part.features)}"
        raise FmbenchError(f"{path}: say which column has the pictures by data.hf.column; those of pictures: {told}")
    return part.select_columns([name]).rename_column(name, "it").cast_column("it", datasets.Image(decode=False))


def shelved(splits: dict[str, datasets.Dataset]) -> Shelf:
    """The pictures by split and number; of a single split by number alone."""
    places = {
        f"{split}/{number:08}" if len(splits) > 1 else f"{number:08}": (part, number)
        for split, part in sorted(splits.items())
        for number in range(len(part))
    }

    def read(name: str) -> bytes:
        part, number = places[name]
        saved = part[number]["it"]
        return saved["bytes"] if saved["bytes"] is not None else Path(saved["path"]).read_bytes()

    return Shelf(list(places), [part._fingerprint for part in splits.values()], read)  # noqa: SLF001 - it has no other
