"""One run in one process: train, evaluate, leave its state behind."""
