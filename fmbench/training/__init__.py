"""From a request to trained weights."""
