"""What can be said of every run of a machine before any run."""
