"""How is what customers owe taken from them, once?"""
