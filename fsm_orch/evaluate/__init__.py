"""How well a machine routes: measured on labelled queries, never claimed."""
