"""Settings of the MQTT link, frozen; unknown keys are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Seconds = Annotated[float, Field(gt=0, le=3600, allow_inf_nan=False)]


class MqttConfig(BaseModel):
    """One broker and what is said to it.

    Attributes:
        host, port: the broker.
        tls: whether to speak TLS; ``ca`` judges the broker, ``certificate`` and ``key`` show us.
        username, password: where the broker asks; the password is never logged.
        base_topic: first levels of every topic; the site's name follows.
        site: the site's name.
        period_s: one message a device and period at most.
        max_pending: messages waiting for the broker; the oldest go first, and are counted.
        commands: whether to take commands at all.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str = "127.0.0.1"
    port: int = Field(default=1883, ge=1, le=65535)
    tls: bool = False
    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    username: str | None = None
    password: str | None = Field(default=None, repr=False)
    base_topic: str = Field(default="tieline", pattern=r"^[^#+\s]+$")
    site: str
    period_s: Seconds = 1.0
    max_pending: int = Field(default=1000, ge=1, le=100_000)
    commands: bool = False

    @property
    def topic(self) -> str:
        """Where this site's topics begin."""
        return f"{self.base_topic}/{self.site}"
