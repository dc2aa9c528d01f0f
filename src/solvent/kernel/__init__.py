"""Which commercial facts hold: who buys what, may use what, used what and owes what?"""
