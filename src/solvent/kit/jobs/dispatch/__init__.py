"""Which job goes to which worker, when, and who makes sure that it was really given?

`View` decides, without I/O; `Dispatcher` reads the log, proposes what the view decided, and
delivers what the log has taken. Any number may run: the log decides between them.
"""
