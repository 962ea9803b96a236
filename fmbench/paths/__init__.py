"""The mathematics that methods share: Gaussian paths, what is regressed on them, couplings and sources."""

from fmbench.paths.gaussian import VE as VE
from fmbench.paths.gaussian import VP as VP
from fmbench.paths.gaussian import Coefficients as Coefficients
from fmbench.paths.gaussian import CondOT as CondOT
from fmbench.paths.gaussian import Cosine as Cosine
from fmbench.paths.gaussian import Linear as Linear
from fmbench.paths.gaussian import Path as Path
from fmbench.paths.gaussian import SubVP as SubVP
from fmbench.paths.gaussian import Trig as Trig
from fmbench.paths.gaussian import require as require
