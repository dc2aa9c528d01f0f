"""Who has which plan, in which state, for which period, and until when?"""
