"""Who did what, when, and can anybody have altered that since?"""
