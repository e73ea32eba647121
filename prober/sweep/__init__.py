"""Many targets: the grid, its chunks, resuming, several processes."""
