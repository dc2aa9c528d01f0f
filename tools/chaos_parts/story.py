"""What happened to a job that hangs: its records, and what the processes wrote of it?"""

from chaos_parts.world import SPACE
from solvent.kit.jobs import record as r
from solvent.kit.jobs.job import ENDED

RECORDS_TOLD = 8
JOBS_TOLD = 3
LINES_TOLD = 15


def story(found, world, acknowledged):
    """Return, of the first jobs that hang, their last records; then what the processes wrote."""
    keys = [f"{SPACE}.{one}" for one in acknowledged]
    hanging = [key for key in keys if found.ends.get(key) not in ENDED][:JOBS_TOLD]
    if not hanging:
        return []
    told = [f"the log's clock stands at {found.state.clock_ns}"]
    for key in hanging:
        entries = [one for one in found.entries if one.subject == f"job.{key}"]
        told += [f"{one.seq} {key}: {_brief(one)}" for one in entries[-RECORDS_TOLD:]]
    for path in sorted(world.directory.glob("*.log")):
        lines = path.read_text("utf-8", "replace").splitlines()
        told += [f"{path.stem}: {line[:2000]}" for line in lines[-LINES_TOLD:]]
    return told


def _brief(entry):
    record = r.decode(entry.data)
    shown = {
        name: getattr(record, name)
        for name in record.__struct_fields__
        if name not in {"prev", "spec", "state", "result"}
    }
    return f"at {entry.ts_ns} {type(record).__name__} {shown}"
