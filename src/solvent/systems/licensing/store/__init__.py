"""How do policies, licenses, activations and revocations reach the database, and come back?"""
