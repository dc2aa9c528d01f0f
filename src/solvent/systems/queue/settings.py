"""What may the operator set about the queue?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from solvent.kit.config import setting


@dataclass(frozen=True, slots=True)
class QueueSection:
    """The door for applications, who sells the queue, and the pool of workers."""

    door_host: str = setting(
        "127.0.0.1", "Address at which workers of applications connect; empty closes the door."
    )
    door_port: Annotated[int, Field(ge=0, le=65_535)] = setting(
        4280, "Port of that door; 0 takes a free one."
    )
    door_url: str = setting(
        "", "What workers are told to connect to, tls://queue.example.com:4280; empty: as opened."
    )
    door_certificate: str = setting("", "PEM file of the door's certificate chain; empty: no TLS.")
    door_key: str = setting("", "PEM file of that certificate's private key.")
    door_account: str = setting(
        "SOLVENT", "NATS account that Solvent's own user is in; another one with a NATS by URL."
    )
    sold_by: str = setting(
        "", "Slug of the tenant that sells the queue to the others; empty: no limits, no metering."
    )
    pool: Annotated[str, Field(pattern="^(none|local|docker|kubernetes|ssh)$")] = setting(
        "none", "Where workers are started: `none`, `local`, `docker`, `kubernetes` or `ssh`."
    )
    pool_space: str = setting("", "Slug of the tenant whose jobs the pool's workers take.")
    pool_queues: tuple[str, ...] = setting(("default",), "Queues that the pool's workers take.")
    pool_command: tuple[str, ...] = setting(
        (), "Command of one worker; `{worker}` in it becomes the worker's name."
    )
    pool_image: str = setting("", "Image of one worker, for docker.")
    pool_docker: str = setting(
        "unix:///var/run/docker.sock", "Docker engine's socket or http:// address."
    )
    pool_deployment: str = setting("", "Deployment that is scaled, for kubernetes.")
    pool_namespace: str = setting("", "Its namespace; empty: that of our own pod.")
    pool_hosts: tuple[str, ...] = setting((), "Hosts for ssh, as the ssh client knows them.")
    pool_least: Annotated[int, Field(ge=0, le=10_000)] = setting(
        0, "Workers that are always kept running."
    )
    pool_most: Annotated[int, Field(ge=0, le=10_000)] = setting(
        4, "Workers that are never exceeded."
    )
    pool_out_above: Annotated[float, Field(gt=0, le=1)] = setting(
        0.85, "Mean CPU share above which a worker is added, in three samples in a row."
    )
    pool_sample_s: Annotated[float, Field(gt=0, le=3600)] = setting(
        5.0, "Seconds between two samples."
    )
    pool_idle_s: Annotated[float, Field(gt=0, le=86_400)] = setting(
        300.0, "Seconds without a job, nothing pending, after which a worker is drained."
    )
    pool_cooldown_s: Annotated[float, Field(ge=0, le=86_400)] = setting(
        60.0, "Seconds between two changes of a pool."
    )
    pool_drain_s: Annotated[float, Field(gt=0, le=86_400)] = setting(
        60.0, "Seconds a drained worker gets to finish before its jobs are requeued."
    )
    pool_start_s: Annotated[float, Field(gt=0, le=3600)] = setting(
        60.0, "Seconds a new worker gets to pass its health probe."
    )
