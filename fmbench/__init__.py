"""fmbench: a comparative benchmark of generative methods.

plugins = fmbench.load_plugins()
plugins.register(MethodSpec("mine", "my_module:Mine"))        # from fmbench.api
outcome = fmbench.run(fmbench.plan(plugins, methods=["mine", "fm-ot"], dataset="moons"), plugins)
fmbench.frame(outcome.rows)                                   # a pandas DataFrame
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from fmbench.commands import Outcome, plan, run
    from fmbench.discovery import load_plugins
    from fmbench.report.render import frame

_HOMES = {
    "Outcome": "fmbench.commands",
    "frame": "fmbench.report.render",
    "load_plugins": "fmbench.discovery",
    "plan": "fmbench.commands",
    "run": "fmbench.commands",
}
__all__ = ["Outcome", "__version__", "frame", "load_plugins", "plan", "run"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
