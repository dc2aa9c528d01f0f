"""What is Solvent? The business half of a software product, as one self-hosted platform."""
