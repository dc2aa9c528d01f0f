"""How does a sheet become a PDF?"""
