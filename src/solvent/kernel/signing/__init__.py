"""Which keys does a tenant sign with, and whose signature is this?"""
