"""Which decisions about subscriptions need nothing but their state, the time and the calendar?"""
