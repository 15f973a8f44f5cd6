"""What executes the notebooks, records the terminal, and makes pages of the documentation."""
