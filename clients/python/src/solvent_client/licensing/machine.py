"""What is this machine made of, as far as it stays the same from start to start?

Values are read here and hashed in `fingerprint.py`; they never leave the machine. A source that
cannot be read is left out: a source must never stop a program from starting.
"""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

from solvent_client.licensing.fingerprint import OVERRIDE

Kind = str
"""`machine`, `vm`, `container` or `kubernetes`."""

_READ_BYTES: Final = 65_536
_COMMAND_S: Final = 5.0
_LOCAL_MAC_BIT: Final = 2
_DISKS: Final = ("nvme", "sd", "vd", "xvd", "hd", "mmcblk")
_SERIALS: Final = ("device/serial", "device/wwid", "wwid", "serial")
_VM_MAKERS: Final = ("qemu", "kvm", "vmware", "virtualbox", "innotek", "xen", "bochs", "parallels")
_VM_PRODUCTS: Final = ("virtual machine", "hvm domu", "google compute engine", "droplet")
_NOT_A_UUID: Final = frozenset({"", "0" * 32, "f" * 32, "03000200040005000006000700080009"})
_CONTAINER_MARKS: Final = (".dockerenv", "run/.containerenv", "run/systemd/container")
_CONTAINER_GROUPS: Final = ("/docker", "/kubepods", "/lxc/", "/libpod", "/ecs/", "/crio")
_GONE_WITH_A_CONTAINER: Final = ("mac", "machine_id")
_OF_THE_MODEL: Final = frozenset({"cpu"})
"""Sources that tell a model, not one machine: alone they tell nothing apart."""


class Machine(NamedTuple):
    """What kind of machine this is and what it is made of: name of the source -> value."""

    kind: Kind
    values: dict[str, str]

    @property
    def is_one_of_many(self) -> bool:
        """Say whether nothing here tells this machine from its copies."""
        return not set(self.values) - _OF_THE_MODEL


def look(*, override: str | None = None, root: Path = Path("/")) -> Machine:
    """Return what this machine is made of.

    Args:
        override: what to take instead of all sources, in containers whose host changes; whoever
            gives two machines the same one makes them one.
        root: where the system's files stand; only tests have them elsewhere.
    """
    if override:
        return Machine(_kind(root), {OVERRIDE: override})
    if sys.platform == "win32":
        return Machine("machine", dict(_read_all(_windows_sources())))
    if sys.platform == "darwin":
        return Machine("machine", dict(_read_all(_macos_sources())))
    kind = _kind(root)
    values = dict(_read_all(_linux_sources(root)))
    if kind in {"container", "kubernetes"}:
        values = {name: v for name, v in values.items() if name not in _GONE_WITH_A_CONTAINER}
    return Machine(kind, values)


Source = Callable[[], str]


def _read_all(sources: dict[str, Source]) -> Iterator[tuple[str, str]]:
    for name, read in sources.items():
        with suppress(OSError, ValueError, LookupError):
            if value := read().strip():
                yield name, value


# ------------------------------------------------------------------------------------------- Linux


def _linux_sources(root: Path) -> dict[str, Source]:
    return {
        "machine_id": lambda: _machine_id(root),
        "cpu": lambda: _cpu(root),
        "disk": lambda: _disk(root),
        "mac": lambda: _mac(root),
        "product_uuid": lambda: _product_uuid(root),
    }


def _text(path: Path) -> str:
    """Return a file of the kernel or the system, in one bounded read."""
    with path.open("rb", buffering=0) as file:
        return file.read(_READ_BYTES).decode("utf-8", "replace").strip()


def _machine_id(root: Path) -> str:
    for name in ("etc/machine-id", "var/lib/dbus/machine-id"):
        with suppress(OSError):
            found = _text(root / name)
            if found and found != "uninitialized":
                return found
    return ""


def _cpu(root: Path) -> str:
    """Return vendor and model of the first processor: neither frequency nor microcode."""
    first = _text(root / "proc/cpuinfo").partition("\n\n")[0]
    told = [line.partition(":") for line in first.splitlines()]
    named = {name.strip(): value.strip() for name, _, value in told}
    wanted = ("vendor_id", "model name", "CPU implementer", "CPU part", "Hardware", "Serial")
    return "/".join(named[name] for name in wanted if name in named)


def _disk(root: Path) -> str:
    """Return the serial number of the first disk that is built in."""
    block = root / "sys/block"
    for disk in sorted(block.iterdir()):
        if not disk.name.startswith(_DISKS) or "/usb" in os.path.realpath(disk):
            continue
        with suppress(OSError):
            if _text(disk / "removable") == "1":
                continue
        for serial in _SERIALS:
            with suppress(OSError):
                if found := _text(disk / serial):
                    return found
    return ""


def _mac(root: Path) -> str:
    """Return the lowest burnt-in address of a built-in network card.

    Made-up addresses are left out: bridges, VPNs, virtual machines, phones that hide.
    """
    net = root / "sys/class/net"
    found: list[str] = []
    for card in net.iterdir():
        built_in = (card / "device").exists() and "/usb" not in os.path.realpath(card)
        with suppress(OSError, ValueError):
            address = _text(card / "address")
            made_up = int(address[:2], 16) & _LOCAL_MAC_BIT
            if built_in and not made_up and address.strip("0:"):
                found.append(address)
    return min(found, default="")


def _product_uuid(root: Path) -> str:
    """Return the main board's UUID; on Linux only root may read it."""
    return _uuid(_text(root / "sys/class/dmi/id/product_uuid"))


def _uuid(text: str) -> str:
    """Return a UUID that a maker really set; some boards carry a placeholder."""
    plain = text.replace("-", "").lower()
    return "" if plain in _NOT_A_UUID else plain


def _kind(root: Path) -> Kind:
    if os.environ.get("KUBERNETES_SERVICE_HOST"):
        return "kubernetes"
    if _is_container(root):
        return "container"
    return "vm" if _is_vm(root) else "machine"


def _is_container(root: Path) -> bool:
    if any((root / mark).exists() for mark in _CONTAINER_MARKS):
        return True
    with suppress(OSError):
        return any(group in _text(root / "proc/1/cgroup") for group in _CONTAINER_GROUPS)
    return False


def _is_vm(root: Path) -> bool:
    dmi = root / "sys/class/dmi/id"
    told = ""
    for name in ("sys_vendor", "product_name"):
        with suppress(OSError):
            told += " " + _text(dmi / name).lower()
    return any(mark in told for mark in (*_VM_MAKERS, *_VM_PRODUCTS))


# ------------------------------------------------------------------------------------------- macOS


def _macos_sources() -> dict[str, Source]:
    told = ""
    with suppress(OSError, ValueError):
        told = _said("/usr/sbin/ioreg", "-rd1", "-c", "IOPlatformExpertDevice")
    return {
        "product_uuid": lambda: _uuid(_between(told, '"IOPlatformUUID" = "')),
        "machine_id": lambda: _between(told, '"IOPlatformSerialNumber" = "'),
        "cpu": lambda: _said("/usr/sbin/sysctl", "-n", "machdep.cpu.brand_string"),
        "disk": lambda: _between(
            _said("/usr/sbin/diskutil", "info", "/"), "Volume UUID:", end="\n"
        ),
    }


def _between(text: str, begin: str, end: str = '"') -> str:
    return text.partition(begin)[2].partition(end)[0].strip()


def _said(*command: str) -> str:
    import subprocess  # 5 ms that Linux and Windows do not need

    done = subprocess.run(command, capture_output=True, text=True, timeout=_COMMAND_S, check=False)
    return done.stdout.strip()


# ----------------------------------------------------------------------------------------- Windows


def _windows_sources() -> dict[str, Source]:
    return {
        "machine_id": lambda: _registry(r"SOFTWARE\Microsoft\Cryptography", "MachineGuid"),
        "product_uuid": lambda: _uuid(
            _registry(r"SYSTEM\HardwareConfig", "LastConfig").strip("{}")
        ),
        "cpu": lambda: _registry(
            r"HARDWARE\DESCRIPTION\System\CentralProcessor\0", "ProcessorNameString"
        ),
        "disk": _volume_serial,
    }


def _registry(path: str, name: str) -> str:
    """Return a text of HKEY_LOCAL_MACHINE, as a 64-bit program sees it."""
    if sys.platform != "win32":
        return ""
    import winreg

    access = winreg.KEY_READ | winreg.KEY_WOW64_64KEY
    with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, path, 0, access) as key:
        return str(winreg.QueryValueEx(key, name)[0])


def _volume_serial() -> str:
    """Return the serial number of the volume that Windows is on."""
    if sys.platform != "win32":
        return ""
    import ctypes

    drive = os.environ.get("SYSTEMDRIVE", "C:") + "\\"
    serial = ctypes.c_ulong()
    good = ctypes.windll.kernel32.GetVolumeInformationW(
        drive, None, 0, ctypes.byref(serial), None, None, None, 0
    )
    return f"{serial.value:08x}" if good else ""
