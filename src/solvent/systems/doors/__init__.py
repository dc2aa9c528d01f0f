"""Which vendors' clients can send usage unchanged, and what becomes of what cannot count?"""
