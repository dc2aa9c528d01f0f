"""Which usage is told to Stripe's meters, where the founder wants Stripe to bill?"""
