"""What an engineer asks of many runs at once, from the lines of their logs: in one pass, and in bounded memory."""
