"""What a user declares; all of it is checked when the class is built. Nothing runs here."""
