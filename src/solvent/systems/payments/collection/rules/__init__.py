"""Which decline calls for what, and when is the next step?"""
