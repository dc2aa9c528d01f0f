"""The queue as a product: jobs of tenants' own applications, seen, stopped, replayed and sold."""
