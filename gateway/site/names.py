"""Types of cells that several of a site's tables have."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,62}$")]
Port = Annotated[int, Field(ge=1, le=65535)]
