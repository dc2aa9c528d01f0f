"""What does a command-line program look like that is sold by license and checks it offline?"""
