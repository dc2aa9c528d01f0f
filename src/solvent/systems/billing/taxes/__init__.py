"""Which tax does an invoice carry, and who are its parties to the law?"""
