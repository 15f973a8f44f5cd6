"""A fleet, simulated: many workers over one store, on virtual time, with all that can happen to them and between them."""
