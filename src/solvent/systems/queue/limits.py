"""Where does each list, batch and text of the queue system end?"""

from __future__ import annotations

BATCH_MAX = 1_000
REPLAY_MAX = 500
"""Jobs replayed by one request; the answer says whether there are more."""
TRIES_MAX = 5
"""How often a job that moves meanwhile is looked at again before it is called contended."""
REASON_CHARS_MAX = 200
SHOWN_BYTES_MAX = 16_384
"""Longer arguments and results are told by their size alone."""
LIMITS_KEPT_S = 5.0
"""A limit that was bought or lost is in force within this time."""
FOLLOW_BATCH = 2_000
"""Records taken from the log in one step of metering."""
"""Metered runs go to the books in batches of at most this, as metering takes them."""
METER_BATCH = 1_000
FOLLOW_LINGER_S = 1.0
"""How long the follower rests after a batch, so that the next one is larger."""
