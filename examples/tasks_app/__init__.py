"""A shop whose receipts, reports and reminders are jobs."""
