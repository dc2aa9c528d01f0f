"""Which commands are there about collecting money?"""

from solvent.systems.payments.collection.cli import collections, dunning, refunds, top_ups

COMMANDS = {
    "collection": collections.app,
    "dunning": dunning.app,
    "refund": refunds.app,
    "dispute": refunds.disputes_app,
    "top-up": top_ups.app,
}
