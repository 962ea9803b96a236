"""Datasets, their transforms and the known densities of the two-dimensional ones."""
