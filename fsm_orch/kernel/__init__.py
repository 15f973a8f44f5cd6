"""What a run is, and what may happen to it: `step` takes an input to the next configuration."""
