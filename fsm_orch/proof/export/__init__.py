"""A definition in the languages of other tools."""
