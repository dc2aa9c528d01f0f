"""What do the measured queues share?"""
