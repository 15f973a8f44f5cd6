"""What becomes of runs when their machine changes (T8): they continue in its new version, or it is said why not."""
