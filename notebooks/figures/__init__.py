"""The code that makes the figures and pictures of the notebooks."""
