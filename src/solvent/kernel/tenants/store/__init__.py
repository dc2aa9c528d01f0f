"""How do tenants, people, keys, sessions and customers reach the database, and come back?"""

from solvent.kernel.tenants.store import customer, key, member, tenant

__all__ = ["customer", "key", "member", "tenant"]
