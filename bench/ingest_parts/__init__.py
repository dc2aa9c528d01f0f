"""The parts of `bench/ingest.py`: the plain designs that it is measured beside."""
