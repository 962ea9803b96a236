from __future__ import annotations

import pytest
import torch
from fmbench_plugins.controls import Copycat, Gaussian, GaussianMixture

from fmbench.methods.base import Preparation, Task
from fmbench.request.schema import Sampler
from fmbench.solvers.likelihood import LikelihoodSettings

DIRECT = Sampler(name="direct")


def fitted(method, x):
    method.prepare(Preparation(x, torch.Generator().manual_seed(0), 64))
    return method


@pytest.fixture
def data(law, generator):
    return law.sample(500, generator).float()


def test_the_gaussian_is_the_maximum_likelihood_one(data, generator):
    method = fitted(Gaussian(Task((3,), 1.0, None), ridge=0.0), data)
    x = data.double()
    peer = torch.distributions.MultivariateNormal(x.mean(0), torch.cov(x.T, correction=0))
    got = method.log_prob(x, LikelihoodSettings(), generator).value
    torch.testing.assert_close(got, peer.log_prob(x), rtol=1e-5, atol=1e-5)
    draws = method.sample(20_000, DIRECT, generator)
    torch.testing.assert_close(torch.cov(draws.T), peer.covariance_matrix, rtol=0.1, atol=0.1)


def test_the_mixture_scores_as_scikit_learn_does(data, generator):
    from sklearn.mixture import GaussianMixture as Peer

    x = torch.cat([data, data * 0.3 + 4])
    method = fitted(GaussianMixture(Task((3,), 1.0, None), components=4, ridge=1e-6, restarts=2), x)
    peer = Peer(4)
    peer.weights_, peer.means_ = method.weights.numpy(), method.means.numpy()
    peer.precisions_cholesky_ = torch.linalg.inv(method.factors).mT.numpy()
    expected = torch.from_numpy(peer.score_samples(x.double().numpy()))
    torch.testing.assert_close(method.log_prob(x.double(), LikelihoodSettings(), generator).value, expected)
    assert method.weights.sum().item() == pytest.approx(1)
    assert method.sample(7, DIRECT, generator).shape == (7, 3)


def test_the_copycat_draws_training_points_alone(data, generator):
    method = fitted(Copycat(Task((3,), 1.0, None, size=500)), data)
    draws = method.sample(2000, DIRECT, generator)
    nearest = torch.cdist(draws, data.double()).argmin(1)
    assert torch.equal(draws, data.double()[nearest])
    assert len(nearest.unique()) > 450
