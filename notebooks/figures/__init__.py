"""What makes the figures and pictures of the notebooks."""
