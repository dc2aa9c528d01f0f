"""How much of what did each customer use, and when?"""
