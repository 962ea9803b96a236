"""Finds the packages; pyproject.toml has all the rest.

The folders `plugins` and `configs` are installed under names that cannot meet another project's: `fmbench_plugins` and
`fmbench_configs`. `[tool.setuptools.packages.find]` cannot rename what it finds.
"""

from __future__ import annotations

from setuptools import find_packages, setup

FOLDERS = {"fmbench": "fmbench", "fmbench_plugins": "plugins", "fmbench_configs": "configs"}

setup(
    package_dir=FOLDERS,
    packages=[
        package
        for name, folder in FOLDERS.items()
        for package in (name, *(f"{name}.{below}" for below in find_packages(folder)))
    ],
)
