"""fmbench: a comparative benchmark of generative methods.

plugins = fmbench.load_plugins()
plugins.register(MethodSpec("mine", "my_module:Mine"))        # from fmbench.api
outcome = fmbench.execute(fmbench.plan(plugins, methods=["mine", "fm-ot"], dataset="moons"), plugins)
fmbench.frame(outcome.rows)                                   # a pandas DataFrame
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fmbench.lazy import attach

if TYPE_CHECKING:
    from fmbench.commands import Outcome as Outcome
    from fmbench.commands import execute as execute
    from fmbench.commands import plan as plan
    from fmbench.registry.discovery import load_plugins as load_plugins
    from fmbench.report.render import frame as frame

__version__ = "0.1.0"
__getattr__, __dir__, __all__ = attach(__name__, __file__)
