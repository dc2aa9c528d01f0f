"""Which SQL does the payments system run?"""
