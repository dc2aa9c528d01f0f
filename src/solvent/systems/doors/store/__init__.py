"""Which SQL keeps names and dead letters?"""
