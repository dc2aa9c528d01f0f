"""How do many subscriptions move from one version of a plan to another?"""
