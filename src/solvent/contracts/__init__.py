"""Which event types does each system promise to publish?"""
