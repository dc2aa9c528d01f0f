"""Which applications show how Solvent is used? One folder each, run from the repository's root."""
