"""What is Solvent? The business half of a software product, as one self-hosted platform."""

VERSION = "0.1.0"
