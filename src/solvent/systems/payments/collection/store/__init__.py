"""Which SQL keeps what is collected, how often it was tried, and what went back?"""
