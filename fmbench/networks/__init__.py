"""Networks that every method of a run shares.

A network is called as (t, x) with t of shape (n,), or (1,) where all rows share one time (a solver does a third less
work then), and returns a tensor shaped as x.
"""
