"""Where can workers be started: here, in Docker, on Kubernetes, over SSH?"""
