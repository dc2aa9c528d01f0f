"""What is decided about webhooks without looking anything up?"""
