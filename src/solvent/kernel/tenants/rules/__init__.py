"""Which names, keys, tokens and addresses are what they claim to be?"""
