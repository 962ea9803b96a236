"""Records of older versions, brought up to date as they are read."""

from __future__ import annotations

from typing import Any

from fmbench.errors import FmbenchError

SCHEMA = 1


def upgrade(record: dict[str, Any], where: object) -> dict[str, Any]:
    """The record as this version writes it.

    Raises:
        FmbenchError: a newer version wrote it.
    """
    version = record.get("schema")
    if version != SCHEMA:
        raise FmbenchError(
            f"{where} has schema {version!r}; this fmbench reads up to {SCHEMA}: install a newer fmbench to read it"
        )
    return record
