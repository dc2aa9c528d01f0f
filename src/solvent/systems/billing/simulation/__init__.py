"""What would customers have paid under another plan, or under new prices?"""
