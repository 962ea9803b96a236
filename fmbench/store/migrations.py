"""Records of older versions, brought up to date as they are read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from fmbench.errors import FmbenchError

SCHEMA = 1
# By the version that they start from, as {1: upgrade_1_to_2}; `upgrade` counts the version up.
UPGRADES: Mapping[int, Callable[[dict[str, Any]], dict[str, Any]]] = {}


class NewerSchemaError(FmbenchError):
    """A newer fmbench wrote the record."""


def upgrade(record: dict[str, Any], where: object) -> dict[str, Any]:
    """The record as this version writes it.

    Args:
        record: of any file of a run.
        where: the file, for the error.

    Raises:
        NewerSchemaError: a newer version wrote it.
        FmbenchError: it does not say which version wrote it.
    """
    version = record.get("schema")
    if type(version) is not int or version < 1:
        problem = f"has schema {version!r}" if "schema" in record else "does not say its schema"
        raise FmbenchError(f"{where} {problem}, so fmbench did not write it: move it away")
    if version > SCHEMA:
        raise NewerSchemaError(
            f"{where} has schema {version}; this fmbench reads up to {SCHEMA}: install a newer fmbench to read it"
        )
    for older in range(version, SCHEMA):
        record = {**UPGRADES[older](record), "schema": older + 1}
    return record
