"""What do history and documents say about revenue? Pure functions, no clock, no database."""
