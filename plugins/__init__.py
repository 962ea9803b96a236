"""The shipped methods, installed as `fmbench_plugins` and written only against `fmbench.api`."""
