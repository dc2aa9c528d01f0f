"""Which systems stand around the kernel?"""
