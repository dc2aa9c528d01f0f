"""How much recurring revenue is there, why did it move, and when is it earned?"""
