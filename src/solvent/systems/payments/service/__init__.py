"""What may be done about payments: connect accounts, take webhooks in, apply them, send to pay?"""
