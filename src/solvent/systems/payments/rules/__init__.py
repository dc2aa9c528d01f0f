"""Which webhook is genuine, what does it say, and what do all of them together mean?"""
