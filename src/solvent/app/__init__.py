"""How are kit, kernel and systems put together into one running program?"""
