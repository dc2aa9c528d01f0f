"""What does a tenant sell, at which price, with which features?"""
