"""What does each customer owe, what have they paid, and can every cent of it be explained?"""
