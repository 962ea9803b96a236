"""Sampling and densities: solvers of ODEs and SDEs, chains of posteriors, the count of network evaluations."""
