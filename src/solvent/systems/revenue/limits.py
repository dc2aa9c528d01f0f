"""Where does each loop, report and file of the revenue system end?"""

from __future__ import annotations

CUSTOMERS_AT_ONCE = 1_000
"""Customers whose history is held in memory at once."""

DOCUMENTS_AT_ONCE = 200
LINES_AT_ONCE = 5_000
DIFFERENCES_MAX = 20
"""Differences that a rebuild lists; the rest is counted."""

EXPORT_ROWS_MAX = 500_000
RATES_FILE_BYTES_MAX = 1_048_576
RATES_AT_ONCE_MAX = 20_000
RATE_DECIMALS_MAX = 12
