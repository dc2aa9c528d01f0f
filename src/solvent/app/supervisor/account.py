"""As which operating-system user does an engine run, and what can that user reach?"""

import os
import pwd
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from solvent.app.supervisor.errors import DataRefused, SettingInvalid

DEFAULT_ACCOUNTS = ("solvent", "nobody")
PROBE_TIMEOUT_S = 10.0


class Identity(TypedDict, total=False):
    """The arguments of `subprocess.Popen` that make a child run as another user."""

    user: int
    group: int
    extra_groups: list[int]


@dataclass(frozen=True, slots=True)
class Account:
    """A user to drop to. `shared` says that other services may run as this user too."""

    name: str
    uid: int
    gid: int
    home: str
    shared: bool


def choose_account(wanted: str | None, *, existing_data: Path) -> Account | None:
    """Say as whom the engines run; None means as the user who started the supervisor.

    Data that exists decides, since PostgreSQL serves only what its own user owns.
    Raises SettingInvalid for a user that does not exist or that cannot be taken on,
    DataRefused for data of another user.
    """
    owner = existing_data.stat().st_uid if existing_data.is_dir() else None
    if os.geteuid() != 0:
        _refuse_foreign(owner, existing_data)
        _refuse_switch(wanted)
        return None
    if owner:
        return _owner_account(owner, wanted, existing_data)
    return _first_account(wanted)


def identity(account: Account | None) -> Identity:
    """The `Popen` arguments for running as the account, none for the invoking user."""
    if account is None:
        return Identity()
    groups = os.getgrouplist(account.name, account.gid)
    return Identity(user=account.uid, group=account.gid, extra_groups=groups)


def can_run(account: Account | None, argv: Sequence[str]) -> bool:
    """Whether the command ends well when the account runs it: path, mode bits and libraries."""
    try:
        done = subprocess.run(
            argv,
            cwd="/",
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=PROBE_TIMEOUT_S,
            **identity(account),
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def can_enter(account: Account | None, path: Path) -> bool:
    """Whether the account gets into a directory (asked of the kernel, so that ACLs count)."""
    return can_run(account, ("/bin/sh", "-c", 'test -x "$1"', "sh", str(path)))


def hand_over(path: Path, account: Account | None) -> None:
    """Give a file or directory to the account."""
    if account is not None:
        os.chown(path, account.uid, account.gid, follow_symlinks=False)


def _first_account(wanted: str | None) -> Account:
    for name in (wanted,) if wanted else DEFAULT_ACCOUNTS:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        if entry.pw_uid == 0:
            message = "engines.user: PostgreSQL refuses to run as root, name another user"
            raise SettingInvalid(message)
        return _account(entry, wanted)
    message = f"engines.user: no user {wanted or ' or '.join(DEFAULT_ACCOUNTS)} on this machine"
    raise SettingInvalid(message)


def _account(entry: pwd.struct_passwd, wanted: str | None) -> Account:
    shared = entry.pw_name == "nobody" and wanted != "nobody"
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid, entry.pw_dir, shared)


def _owner_account(owner: int, wanted: str | None, data: Path) -> Account:
    try:
        return _account(pwd.getpwuid(owner), wanted)
    except KeyError:
        message = f"{data} belongs to user id {owner}, which has no name here: chown it first"
        raise DataRefused(message) from None


def _refuse_foreign(owner: int | None, data: Path) -> None:
    if owner is None or owner == os.geteuid():
        return
    message = f"{data} belongs to user id {owner}: start as root or as that user"
    raise DataRefused(message)


def _refuse_switch(wanted: str | None) -> None:
    me = str(os.geteuid())
    with suppress(KeyError):  # a container may run as an id that no user has
        me = pwd.getpwuid(os.geteuid()).pw_name
    if wanted in (None, me):
        return
    message = f"engines.user is {wanted}, but only root can switch users (this is {me})"
    raise SettingInvalid(message)
