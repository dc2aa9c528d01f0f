"""What do license files say, byte by byte, and what may a license be used for?"""
