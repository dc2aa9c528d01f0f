"""How many workers should there be, and who starts and ends them?"""
