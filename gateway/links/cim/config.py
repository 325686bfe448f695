"""Settings of the group-function endpoint and its client, frozen; unknown keys are refused."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Seconds = Annotated[float, Field(gt=0, le=3600, allow_inf_nan=False)]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ServerConfig(_Frozen):
    """The endpoint.

    Attributes:
        host: address to listen on; loopback unless said otherwise.
        port: TCP port; 0 lets the system choose.
        allow: certificate names (CN) that may ask; empty lets every certificate of the CA.
        max_connections: connections at once; more are closed after their handshake.
        max_connections_per_peer: of them, those of one certificate name.
        max_handshakes: TLS handshakes at once; the oldest one gives way to a new one.
        max_requests: requests answered at once; more get 503.
        handshake_timeout_s: longest TLS handshake.
        idle_timeout_s: longest wait for a whole request head, from the connection's start or the
            last answer; also the longest a peer may take to read an answer.
        body_timeout_s: longest wait for a whole body.
        answer_timeout_s: longest wait for the handler.
    """

    host: str = "127.0.0.1"
    port: int = Field(default=15443, ge=0, le=65535)
    allow: frozenset[str] = frozenset()
    max_connections: int = Field(default=32, ge=1, le=1024)
    max_connections_per_peer: int = Field(default=8, ge=1, le=1024)
    max_handshakes: int = Field(default=32, ge=1, le=1024)
    max_requests: int = Field(default=16, ge=1, le=1024)
    handshake_timeout_s: Seconds = 5.0
    idle_timeout_s: Seconds = 15.0
    body_timeout_s: Seconds = 10.0
    answer_timeout_s: Seconds = 30.0


class ClientConfig(_Frozen):
    """The client.

    Attributes:
        connect_timeout_s: longest wait for a connection and its TLS handshake.
        answer_timeout_s: longest wait for an answer, all of it.
        keepalive_s: how long an idle connection is used again; below the server's patience, so
            that a request does not meet a connection that is just being closed.
    """

    connect_timeout_s: Seconds = 5.0
    answer_timeout_s: Seconds = 35.0
    keepalive_s: Seconds = 10.0
