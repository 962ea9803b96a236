"""What plugins offer: specs and hooks, found, checked and kept by name. Nothing here imports torch."""
