"""The results directory: one run, one directory; nothing shared, so merging two stores is a copy."""
