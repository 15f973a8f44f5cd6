"""A fleet, simulated: workers over one store, on virtual time, and all that can happen to them and between them."""
