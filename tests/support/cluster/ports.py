"""The ports of the test services."""

from __future__ import annotations

HTTP = 8080
ADMIN = 8081
SSH = 2222
