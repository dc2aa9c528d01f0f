"""What may the operator set about webhooks?"""

from __future__ import annotations

from dataclasses import dataclass

from solvent.kit.config import setting


@dataclass(frozen=True, slots=True)
class WebhooksSection:
    """Where webhooks may go besides public addresses; the operator's to say, never a tenant's."""

    allowed_networks: tuple[str, ...] = setting(
        (),
        "Networks that webhooks may reach though they are private, also by plain http, say"
        " 127.0.0.0/8 to develop.",
    )
