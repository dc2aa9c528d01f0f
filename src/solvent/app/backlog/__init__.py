"""What was given up, and how does it get another try?"""
