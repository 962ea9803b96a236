"""The public names for plugin authors. Importing this module, or a spec from it, does not import torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fmbench.errors import DivergedError as DivergedError
from fmbench.errors import FmbenchError as FmbenchError
from fmbench.errors import SolverError as SolverError
from fmbench.errors import Unavailable as Unavailable
from fmbench.lazy import attach
from fmbench.registry.hooks import hookimpl as hookimpl
from fmbench.registry.specs import DatasetSpec as DatasetSpec
from fmbench.registry.specs import ExtractorSpec as ExtractorSpec
from fmbench.registry.specs import MethodSpec as MethodSpec
from fmbench.registry.specs import MetricSpec as MetricSpec
from fmbench.registry.specs import NetworkSpec as NetworkSpec
from fmbench.registry.specs import Number as Number
from fmbench.registry.specs import Option as Option
from fmbench.registry.specs import SamplerSpec as SamplerSpec

if TYPE_CHECKING:
    from fmbench import paths as paths
    from fmbench.data.base import Dataset as Dataset
    from fmbench.data.base import Density as Density
    from fmbench.data.base import Levels as Levels
    from fmbench.data.base import Standardise as Standardise
    from fmbench.data.base import Transform as Transform
    from fmbench.methods.base import Batch as Batch
    from fmbench.methods.base import Method as Method
    from fmbench.methods.base import Player as Player
    from fmbench.methods.base import Preparation as Preparation
    from fmbench.methods.base import Task as Task
    from fmbench.methods.coupled import CoupledMethod as CoupledMethod
    from fmbench.methods.flow import FlowMethod as FlowMethod
    from fmbench.methods.gaussian_path import GaussianPathMethod as GaussianPathMethod
    from fmbench.methods.gaussian_path import Preconditioning as Preconditioning
    from fmbench.methods.two_sided import Spread as Spread
    from fmbench.methods.two_sided import TwoSidedMethod as TwoSidedMethod
    from fmbench.metrics.base import Metric as Metric
    from fmbench.metrics.base import MetricValue as MetricValue
    from fmbench.metrics.extractors import Extractor as Extractor
    from fmbench.paths import couplings as couplings
    from fmbench.paths import objectives as objectives
    from fmbench.paths import sources as sources
    from fmbench.request.schema import Sampler as Sampler
    from fmbench.solvers import ancestral as ancestral
    from fmbench.solvers import likelihood as likelihood
    from fmbench.solvers import ode as ode
    from fmbench.solvers.likelihood import LikelihoodSettings as LikelihoodSettings
    from fmbench.solvers.likelihood import LogDensity as LogDensity
    from fmbench.solvers.nfe import CountedNetwork as CountedNetwork

__getattr__, __dir__, __all__ = attach(__name__, __file__)
