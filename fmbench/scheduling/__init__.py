"""What is left of a grid, how long it may take, and watching it."""
