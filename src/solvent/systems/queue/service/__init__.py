"""What may be done with the queue: submit, look, cancel, replay, limit, connect."""
