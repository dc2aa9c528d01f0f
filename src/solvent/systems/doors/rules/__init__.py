"""How does what foreign clients send become usage?"""
