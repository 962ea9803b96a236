"""A request: what is asked, from YAML files and `--set` to the single runs of a grid. Nothing here imports torch."""
