"""One question of a customer, answered in nine patterns: what each sends, takes, costs, and can cost at most."""
