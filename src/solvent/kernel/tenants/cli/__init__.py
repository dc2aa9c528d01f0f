"""What can an operator ask about tenants at a terminal?"""

from solvent.kernel.tenants.cli import clock, key, member, tenant

COMMANDS = {
    "tenant": tenant.app,
    "key": key.app,
    "member": member.app,
    "clock": clock.app,
}
