"""What can a customer tell a program of its license? `--activate`, `--deactivate`, `--license`.

if (code := commands.handle(licensing, sys.argv[1:])) is not None:
sys.exit(code)
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from solvent_client.licensing import qr
from solvent_client.licensing.document import written
from solvent_client.licensing.envelope import MAX_BYTES
from solvent_client.licensing.license import License
from solvent_client.licensing.refusal import LicenseRefused, Refusal, refusal
from solvent_client.licensing.store import write_whole

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from solvent_client.licensing.client import Licensing
    from solvent_client.licensing.online import Online

_GOOD: Final = 0
_REFUSED: Final = 1
_USAGE: Final = 2
_COMMANDS: Final = ("--activate", "--deactivate", "--license")


def handle(
    licensing: "Licensing", arguments: Sequence[str], *, online: "Online | None" = None
) -> int | None:
    """Do what the arguments ask of the license; return the exit code, None if they ask nothing.

    With `online` machines are activated and deactivated over the network; where the server is away
    files are written to be carried, as they are without it.

    0: done. 1: refused, the reason is on standard error. 2: the arguments make no sense.
    """
    if not arguments or arguments[0] not in _COMMANDS:
        return None
    command, *rest = arguments
    try:
        if command == "--activate":
            return _activate(licensing, rest, online)
        if command == "--deactivate":
            return _deactivate(licensing, rest, online)
        return _show(licensing, rest)
    except LicenseRefused as refused:
        _complain(f"{licensing.program.product}: {refused}")
        return _REFUSED
    except SystemExit as ended:  # argparse has told what is wrong with the arguments, or helped
        return _USAGE if ended.code else _GOOD


def _say(text: str) -> None:
    print(text)  # noqa: T201 -- this is what a terminal shows


def _complain(text: str) -> None:
    print(text, file=sys.stderr)  # noqa: T201


def _parser(licensing: "Licensing", command: str, about: str) -> "ArgumentParser":
    from argparse import ArgumentParser  # 3 ms that no other start needs

    return ArgumentParser(prog=f"{licensing.program.product} {command}", description=about)


# -------------------------------------------------------------------------------------- activating


def _activate(licensing: "Licensing", rest: Sequence[str], online: "Online | None") -> int:
    parser = _parser(
        licensing,
        "--activate",
        "Without a file: write an activation request. With one: import the answer.",
    )
    parser.add_argument("answer", nargs="*", help="license.lic, or with --typed the lines")
    parser.add_argument("--license-key", metavar="KEY", help="what you received when you bought")
    parser.add_argument("--name", help="what you call this machine")
    parser.add_argument("--output", type=Path, metavar="FILE", help="where the request goes")
    parser.add_argument("--trial", action="store_true", help="ask for a trial")
    parser.add_argument("--qr", action="store_true", help="show the request as a QR code too")
    parser.add_argument("--typed", action="store_true", help="codes to type instead of files")
    told = parser.parse_args(rest)
    if told.typed and not told.answer and not told.license_key:
        parser.error("--typed needs --license-key")
    if told.trial and told.license_key:
        parser.error("--trial takes no --license-key")
    if told.answer and not told.typed and len(told.answer) > 1:
        parser.error("expected one file")
    if told.answer:
        return _import(licensing, told)
    if told.typed:
        return _show_code(licensing, told)
    wants_file = told.output or told.qr or not (told.license_key or told.trial)
    if online is not None and not wants_file:
        try:
            found = _over_network(online, told)
        except LicenseRefused as refused:
            _must_be_away(refused)
        else:
            _say(f"{_activated(licensing, found)}\n{_granted(found)}".rstrip())
            return _GOOD
    return _write_request(licensing, told)


def _over_network(online: "Online", told: "Namespace") -> License:
    if told.trial:
        return online.begin_trial()
    return online.activate(told.license_key, name=told.name)


def _must_be_away(refused: LicenseRefused) -> None:
    """Let only a server pass that cannot be reached: then a file goes the same way by hand."""
    if refused.reason != "server_unreachable":
        raise refused
    _complain(f"{refused.refusal.sentence} A file does it too:")


def _import(licensing: "Licensing", told: "Namespace") -> int:
    if told.typed:
        found: License | int = licensing.activate_code(_lines(told.answer))
    else:
        found = licensing.take(_read(Path(told.answer[0])), license_key=told.license_key)
    if isinstance(found, int):
        _say(f"Imported revocation list {found}.")
    else:
        _say(f"{_activated(licensing, found)}\n{_granted(found)}".rstrip())
    return _GOOD


def _lines(answer: Sequence[str]) -> list[str]:
    """Return typed lines: arguments, or for `-` standard input up to a blank line."""
    if list(answer) != ["-"]:
        return list(answer)
    lines: list[str] = []
    for line in sys.stdin:
        if not line.strip():
            break
        lines.append(line)
    return lines


def _activated(licensing: "Licensing", found: License) -> str:
    what = "The trial of " if found.is_trial else ""
    return f"{what}{licensing.program.product} is activated on this machine, {_until(found)}."


def _until(found: License) -> str:
    return "for good" if found.expires_at is None else f"until {written(found.expires_at)}"


def _granted(found: License) -> str:
    features = [
        name if value is True else f"{name} ({value})"
        for name, value in sorted(found.terms.features.items())
        if value is not False
    ]
    return f"Includes: {', '.join(features)}." if features else ""


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        raise LicenseRefused(refusal("file_unreadable", f"{path}: {error.strerror}.")) from error


def _write_request(licensing: "Licensing", told: "Namespace") -> int:
    product = licensing.program.product
    text = licensing.request(license_key=told.license_key, trial=told.trial, name=told.name)
    path = told.output or Path(f"{product}-activation.req")
    _write(path, text)
    _say(f"Wrote {path}. Hand it in where you bought {product}; you get back license.lic.")
    _say(f"Then: {product} --activate license.lic")
    if told.qr:
        _say(qr.drawn(text))
    return _GOOD


def _write(path: Path, text: str) -> None:
    try:
        write_whole(path.absolute(), text.encode("ascii"))
    except OSError as error:
        detail = f"{path}: {error.strerror}."
        raise LicenseRefused(refusal("file_not_writable", detail)) from error


def _show_code(licensing: "Licensing", told: "Namespace") -> int:
    _say("Give these two lines to the publisher, with your license key:")
    for line in licensing.request_code(told.license_key):
        _say(f"  {line}")
    _say(f"Then: {licensing.program.product} --activate --typed -    and type the answer")
    return _GOOD


# ------------------------------------------------------------------------------------ deactivating


def _deactivate(licensing: "Licensing", rest: Sequence[str], online: "Online | None") -> int:
    parser = _parser(
        licensing, "--deactivate", "Destroy the license on this machine; write the proof of it."
    )
    product = licensing.program.product
    parser.add_argument("--output", type=Path, metavar="FILE", help="where the proof goes")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    told = parser.parse_args(rest)
    found = licensing.check()
    if isinstance(found, Refusal) and found.reason == "not_activated":
        raise LicenseRefused(found)
    if not told.yes and not _is_sure(product):
        _say("Nothing was changed.")
        return _REFUSED
    proof = licensing.deactivate()
    _say(f"{product} is deactivated on this machine.")
    if proof.startswith("-----BEGIN") and online is not None and not told.output:
        try:
            online.deactivate()
        except LicenseRefused as refused:
            _must_be_away(refused)
        else:
            _say("Its place is free.")
            return _GOOD
    if proof.startswith("-----BEGIN"):
        path = told.output or Path(f"{product}-deactivation.proof")
        _write(path, proof)
        _say(f"Wrote {path}. Hand it in where you bought {product} to free the place.")
    elif proof:
        _say(f"Give these lines to the publisher to free the place:\n{proof}")
    return _GOOD


def _is_sure(product: str) -> bool:
    if not sys.stdin.isatty():
        _complain(f"{product}: say --yes to deactivate without being asked.")
        return False
    asked = input(f"Deactivate {product} on this machine? It cannot be undone here. [y/N] ")
    return asked.strip().lower() in {"y", "yes"}


# ----------------------------------------------------------------------------------------- showing


def _show(licensing: "Licensing", rest: Sequence[str]) -> int:
    parser = _parser(licensing, "--license", "Show the license of this machine.")
    parser.add_argument("--json", action="store_true", help="for programs")
    told = parser.parse_args(rest)
    found = licensing.check()
    if told.json:
        _say(json.dumps(_told(found), indent=2))
    elif isinstance(found, Refusal):
        _complain(f"{licensing.program.product}: {found}")
    else:
        _say(f"{_activated(licensing, found)}\n{_granted(found)}".rstrip())
        for meter in (found.meter(name) for name in sorted(found.terms.ours.meters)):
            _say(f"Used of {meter.name}: {meter.used} of {meter.limit or 'any number'}.")
    return _REFUSED if isinstance(found, Refusal) else _GOOD


def _told(found: License | Refusal) -> dict[str, object]:
    if isinstance(found, Refusal):
        return {"valid": False, "reason": found.reason, "message": str(found)}
    end = found.expires_at
    return {
        "valid": True,
        "reason": None,
        "license": found.id,
        "trial": found.is_trial,
        "expires_at": None if end is None else written(end),
        "entitlements": dict(found.terms.features),
        "meters": {
            name: {"limit": meter.limit, "used": meter.used}
            for name in found.terms.ours.meters
            for meter in [found.meter(name)]
        },
    }
