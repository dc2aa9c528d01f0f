"""Who may run a program, where and until when, and how does a machine without network know?"""
