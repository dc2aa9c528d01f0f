"""When is a period closed, and what does its invoice look like?"""
