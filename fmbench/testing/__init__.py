"""Oracles for tests: networks whose answers are known in closed form."""
