"""How many words are in a file? With the license's feature `export` also as JSON."""

import json
import os
import sys
from pathlib import Path

from mytool import publisher
from solvent_client.licensing import LicenseRefused, Licensing, commands

USAGE = """usage: mytool FILE [--json]
       mytool --activate | --deactivate | --license    (--help after each says more)"""


def main() -> int:
    """Run the program; return its exit code."""
    arguments = sys.argv[1:]
    licensing = Licensing(
        publisher.PRODUCT,
        public_keys=publisher.PUBLIC_KEYS,
        version=publisher.VERSION,
        released_at=publisher.RELEASED_AT,
        # Containers come and go: there the operator names the machine. Two with one name are one.
        override=os.environ.get("MYTOOL_MACHINE"),
    )
    if (code := commands.handle(licensing, arguments)) is not None:
        return code
    if arguments in (["--help"], ["-h"]):
        print(USAGE)
        return 0
    files = [one for one in arguments if not one.startswith("-")]
    if len(files) != 1 or set(arguments) - {*files, "--json"}:
        print(USAGE, file=sys.stderr)
        return 2
    try:
        license_ = licensing.require()
    except LicenseRefused as refused:
        print(f"mytool: {refused}", file=sys.stderr)
        return 1
    return count(
        Path(files[0]), as_json="--json" in arguments, may_export=license_.allows("export")
    )


def count(path: Path, *, as_json: bool, may_export: bool) -> int:
    """Print how many words a file has."""
    try:
        words = len(path.read_text(encoding="utf-8", errors="replace").split())
    except OSError as error:
        print(f"mytool: {path}: {error.strerror}", file=sys.stderr)
        return 1
    if as_json and not may_export:
        print("mytool: your license does not include export", file=sys.stderr)
        return 1
    print(json.dumps({"file": str(path), "words": words}) if as_json else f"{words} words")
    return 0


if __name__ == "__main__":
    sys.exit(main())
