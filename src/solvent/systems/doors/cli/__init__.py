"""What can an operator say about doors at a terminal?"""

from solvent.systems.doors.cli.dead import dead
from solvent.systems.doors.cli.names import door

__all__ = ["dead", "door"]
