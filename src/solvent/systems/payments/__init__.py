"""How does a customer's payment at Stripe or Paddle become a subscription here?"""
