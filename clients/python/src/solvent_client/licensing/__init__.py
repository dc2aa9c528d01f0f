"""May this program run on this machine, with no network? Licenses that are verified where they lie.

from solvent_client.licensing import Licensing

licensing = Licensing("mytool", public_keys=["5f3c…"], version="1.4.0")
license = licensing.require()
"""

from solvent_client.licensing.client import Licensing
from solvent_client.licensing.license import License, Meter
from solvent_client.licensing.refusal import LicenseRefused, Refusal

__all__ = ["License", "LicenseRefused", "Licensing", "Meter", "Refusal"]
