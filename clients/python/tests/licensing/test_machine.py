"""What is a machine made of? Read from file systems that are made up, as Linux lays them out."""

import pytest

from solvent_client.licensing import machine
from solvent_client.licensing.machine import look

CPU = """processor\t: 0
vendor_id\t: GenuineIntel
model name\t: Intel(R) Core(TM) i7-1185G7 @ 3.00GHz
cpu MHz\t\t: {mhz}
microcode\t: 0xa4

processor\t: 1
vendor_id\t: Other
"""


@pytest.fixture(autouse=True)
def on_linux(monkeypatch):
    monkeypatch.setattr(machine.sys, "platform", "linux")
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)


def put(root, path, text):
    target = root / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text, encoding="utf-8")


@pytest.fixture
def laptop(tmp_path):
    root = tmp_path / "laptop"
    put(root, "etc/machine-id", "4c4c4544004b\n")
    put(root, "proc/cpuinfo", CPU.format(mhz="800.1"))
    put(root, "sys/block/nvme0n1/device/serial", "S3Z8NB0K  \n")
    put(root, "sys/block/nvme0n1/removable", "0\n")
    put(root, "sys/block/loop0/serial", "never")
    put(root, "sys/class/net/eth0/address", "3c:52:82:00:00:01\n")
    put(root, "sys/class/net/eth0/device/vendor", "0x8086")
    put(root, "sys/class/dmi/id/product_uuid", "4C4C4544-004B-3510-8053-B7C04F4E3333\n")
    put(root, "sys/class/dmi/id/sys_vendor", "Dell Inc.\n")
    return root


def test_every_source_is_read(laptop):
    found = look(root=laptop)
    assert found.kind == "machine"
    assert found.values == {
        "machine_id": "4c4c4544004b",
        "cpu": "GenuineIntel/Intel(R) Core(TM) i7-1185G7 @ 3.00GHz",
        "disk": "S3Z8NB0K",
        "mac": "3c:52:82:00:00:01",
        "product_uuid": "4c4c4544004b35108053b7c04f4e3333",
    }


def test_what_changes_by_itself_changes_nothing(laptop):
    before = look(root=laptop)
    put(laptop, "proc/cpuinfo", CPU.format(mhz="3400.9"))
    put(laptop, "sys/block/sda/removable", "1\n")
    put(laptop, "sys/block/sda/serial", "A STICK")
    put(laptop, "sys/class/net/docker0/address", "02:42:ac:11:00:02\n")
    put(laptop, "sys/class/net/tun0/address", "00:00:00:00:00:00\n")
    assert look(root=laptop) == before


def test_a_disk_on_usb_is_none_of_the_machine(laptop, tmp_path):
    usb = tmp_path / "laptop/sys/devices/usb1/block/sda"
    put(tmp_path, "laptop/sys/devices/usb1/block/sda/serial", "A DISK")
    (laptop / "sys/block/nvme0n1").rename(laptop / "sys/block/sdb")
    (laptop / "sys/block/sda").symlink_to(usb)
    assert look(root=laptop).values["disk"] == "S3Z8NB0K"


def test_a_source_that_cannot_be_read_is_left_out(tmp_path):
    assert look(root=tmp_path).values == {}
    assert look(root=tmp_path).is_one_of_many
    put(tmp_path, "etc/machine-id", "uninitialized\n")
    put(tmp_path, "sys/class/dmi/id/product_uuid", "03000200-0400-0500-0006-000700080009\n")
    assert look(root=tmp_path).values == {}


def test_a_virtual_machine_is_told(laptop):
    put(laptop, "sys/class/dmi/id/sys_vendor", "QEMU\n")
    assert look(root=laptop).kind == "vm"


@pytest.mark.parametrize("mark", [".dockerenv", "run/.containerenv"])
def test_a_container_is_not_known_by_what_ends_with_it(laptop, mark):
    put(laptop, mark, "")
    found = look(root=laptop)
    assert found.kind == "container"
    assert set(found.values) == {"cpu", "disk", "product_uuid"}


def test_kubernetes_is_told_and_the_name_that_is_given_counts_alone(laptop, monkeypatch):
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    assert look(root=laptop).kind == "kubernetes"
    found = look(root=laptop, override="shop-1")
    assert (found.kind, found.values) == ("kubernetes", {"override": "shop-1"})
    assert not found.is_one_of_many


def test_this_machine_is_read():
    assert look().kind in {"machine", "vm", "container", "kubernetes"}
    assert look() == look()
