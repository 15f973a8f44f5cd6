"""One question of a customer, answered in ten patterns: what each sends, takes, costs, and can cost at most."""
