"""The parts of `bench/paywall.py`: stage, applications, load, proxy, staleness."""
