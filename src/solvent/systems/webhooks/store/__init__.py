"""Which SQL keeps endpoints, messages and deliveries?"""
