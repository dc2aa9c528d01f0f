"""How does a Python package become one file that a customer runs where no Python is?"""
