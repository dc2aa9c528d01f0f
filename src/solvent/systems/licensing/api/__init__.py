"""What can be asked of licensing over HTTP: by the seller, by a program, by its customer?"""
