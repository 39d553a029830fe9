"""Memory: what is kept, what is computed again, and in which order few bytes are alive."""
