"""Which SQL keeps movements, lines of revenue, rates and the policy?"""
