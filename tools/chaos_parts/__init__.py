"""What do the processes of a fault schedule consist of?"""
