"""A converter in plain WSGI that sells itself through Solvent."""
