"""Where the runs of a grid are placed."""
