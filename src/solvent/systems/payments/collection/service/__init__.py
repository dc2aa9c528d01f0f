"""What may be done about money that is owed: collect it, give it back, top up, stop?"""
