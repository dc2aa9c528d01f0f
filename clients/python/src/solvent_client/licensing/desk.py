"""What do this machine, its clocks and its memory say together, and how is that changed?

A `Scene` is all of it in one moment; the `Desk` reads scenes and writes memories.
"""

from collections.abc import Mapping
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Final, NamedTuple

from solvent_client.licensing import clock, kept
from solvent_client.licensing.document import Terms, written
from solvent_client.licensing.fingerprint import components_of, fingerprint_of
from solvent_client.licensing.kept import Memory, Recalled
from solvent_client.licensing.machine import Machine
from solvent_client.licensing.refusal import LicenseRefused, Refusal, refusal
from solvent_client.licensing.store import Safe, locked
from solvent_client.licensing.surroundings import Surroundings

_SEEN_EVERY_S: Final = 60


class Scene(NamedTuple):
    """A moment on a machine."""

    machine: Machine
    components: Mapping[str, str]
    now: clock.Reading
    recalled: Recalled

    @property
    def memory(self) -> Memory:
        """Return what is remembered."""
        return self.recalled.memory

    @property
    def fingerprint(self) -> str:
        """Return the machine's own, whatever a license was made for."""
        return fingerprint_of(self.components)

    @property
    def latest_seen(self) -> int:
        """Return the latest second in which the program is known to have run, else 0."""
        return max((one.wall for one in self.recalled.seen), default=0)

    def must_be_whole(self) -> None:
        """Refuse to change a memory that contradicts itself.

        Raises:
            LicenseRefused: it does.
        """
        if self.recalled.problem is not None:
            raise LicenseRefused(refusal(self.recalled.problem))


class Desk:
    """The two places of one product on one machine.

    Args:
        product: salts the digests of the machine.
        surroundings: the machine, clocks and folders.
        ring: the entry of the system's key ring that holds the key; None: wrapped in the file.
    """

    def __init__(self, product: str, surroundings: Surroundings, *, ring: str | None) -> None:
        self._product = product
        self._around = surroundings
        self._ring = ring
        self._paths: Final[tuple[Path, Path]] = (
            surroundings.data / "license.safe",
            surroundings.state / "witness.safe",
        )

    def scene(self) -> Scene:
        """Return how things stand. Never raises."""
        machine = self._around.look()
        return Scene(
            machine=machine,
            components=components_of(self._product, machine.values),
            now=self._around.read_clock(),
            recalled=kept.recall(*self._safes(machine)),
        )

    def alone(self) -> AbstractContextManager[None]:
        """Let nobody else change the memory meanwhile."""
        return locked(self._around.state / "lock")

    def remember(self, memory: Memory, scene: Scene) -> None:
        """Keep a memory, in both places.

        Raises:
            LicenseRefused: the folder cannot be written.
        """
        try:
            kept.remember(memory, *self._safes(scene.machine))
        except OSError as error:
            raise LicenseRefused(refusal("store_not_writable", str(error))) from error

    def note(self, scene: Scene) -> None:
        """Keep that the program ran now: at most once a minute, and if the folder lets it."""
        before = scene.memory.seen
        if scene.recalled.problem is not None or scene.memory.held is None:
            return
        if before is not None and scene.now.wall - before.wall < _SEEN_EVERY_S:
            return
        with suppress(OSError), self.alone():  # a read-only home: the other witnesses remain
            latest = kept.recall(*self._safes(scene.machine))
            if latest.problem is None:
                memory = latest.memory._replace(seen=scene.now)
                kept.note_seen(memory, *self._safes(scene.machine))

    def moved(self, scene: Scene, terms: Terms | None) -> Refusal | None:
        """Return the refusal of a clock that was set back; None if it was not."""
        more = self._around.witnesses(self._paths)
        if terms is not None:
            more.append(clock.Evidence("license", terms.issued))
        found = clock.judge(scene.now, scene.recalled.seen, more)
        if found is None:
            return None
        told = f"It says {written(scene.now.wall)}, but it was already {written(found.at)} here."
        return refusal("clock_moved_back", told)

    def _safes(self, machine: Machine) -> tuple[Safe, Safe]:
        data, state = self._paths
        ring = self._ring
        return (
            Safe(data, machine.values, ring),
            Safe(state, machine.values, f"{ring}-witness" if ring else None),
        )
