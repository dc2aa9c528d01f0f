"""May this request pass, and how do guards in other programs know it without asking each time?"""
