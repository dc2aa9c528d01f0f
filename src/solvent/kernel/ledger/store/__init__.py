"""Which SQL keeps the ledger?"""
