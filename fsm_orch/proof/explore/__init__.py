"""Every run of a machine, explored breadth-first over the real kernel, with its policies beside it."""
