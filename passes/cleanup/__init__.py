"""Clean-up: the same values by fewer or simpler nodes."""
