"""Who runs an application's tasks, and how do the dispatchers know of it?"""
