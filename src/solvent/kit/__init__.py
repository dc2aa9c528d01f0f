"""What does every module need that knows nothing of the business?"""
