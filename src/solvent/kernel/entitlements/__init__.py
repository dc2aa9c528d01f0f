"""May this customer use this feature now, and how much of it is left?"""
