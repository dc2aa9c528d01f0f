"""Who may sign licenses for this program? Built in: no file and no variable of the user's says it.

Replace the key by yours. This one's secret half stands in the tests, so anybody can sign with it.
"""

PRODUCT = "mytool"
PUBLIC_KEYS = ["03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8"]
VERSION = "1.0.0"
RELEASED_AT = "2026-01-01T00:00:00Z"
