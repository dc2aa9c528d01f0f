"""Whose data is this, who acts for them, and who are their customers?"""
