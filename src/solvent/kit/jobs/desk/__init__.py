"""Who answers questions about jobs, queues and workers, and how are they asked?

A dispatcher holds the state; its process answers on `desk.ask` of the log server. Whoever asks gets
a page, never the whole.
"""
