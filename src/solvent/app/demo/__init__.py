"""Does the main job run end to end: a customer pays, gets in, uses, is billed?"""

from solvent.app.demo.run import run

__all__ = ["run"]
