"""A log service on FastAPI that sells itself through Solvent."""
