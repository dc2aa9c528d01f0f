"""What does the bench of billing run on, and beside?"""
