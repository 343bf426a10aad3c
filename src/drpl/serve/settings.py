"""Settings of the service: address, access, limits and folders."""

from __future__ import annotations

import ipaddress
import os
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path

from drpl.core.options import MAX_PIXELS, described
from drpl.errors import ConfigError

SHORTEST_TOKEN = 16
"""Fewest characters of a token."""
TOKEN = re.compile(rf"[\w.~-]{{{SHORTEST_TOKEN},}}", re.ASCII)
"""Pattern of a token: characters that addresses and cookies hold unchanged."""
GIGABYTE = 1_000_000_000
MEBIBYTE = 1 << 20


def default_store() -> Path:
    """Return the default folder of jobs, within the user's folder for application data."""
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local"))
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Application Support"
    else:
        base = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    return base / "drpl" / "serve"


@dataclass(frozen=True)
class Settings:
    """Settings of the service; the flags of `drpl serve` and their help are derived from them.

    Raise ConfigError if a value is out of range, a token is missing or weak, or ``folder`` lies in
    ``store``.
    """

    store: Path = field(
        default_factory=default_store, metadata=described("Folder that keeps the jobs.")
    )
    folder: Path | None = field(
        default=None, metadata=described("Folder whose subfolders are offered as stacks.")
    )
    host: str = field(
        default="127.0.0.1",
        metadata=described("Address to listen on; any but loopback needs a token."),
    )
    names: tuple[str, ...] = field(
        default=(),
        metadata=described(
            "Host name that clients may use, such as the name of a proxy (repeatable).", flag="name"
        ),
    )
    port: int = field(default=8765, metadata=described("Port to listen on; 0 takes a free one."))
    token: str = field(
        default="",
        metadata=described("Token that clients must send; generated if one is needed."),
    )
    demo: bool = field(
        default=False, metadata=described("Offer a drawn scene to try.", flag="demo")
    )
    jobs: int = field(default=1, metadata=described("Stacks fused at the same time."))
    max_memory: int = field(
        default=0,
        metadata=described("Memory limit in megabytes for all running jobs; 0: no limit."),
    )
    max_pixels: int = field(default=MAX_PIXELS, metadata=described("Most pixels in a frame."))
    max_bytes: int = field(
        default=8 * GIGABYTE, metadata=described("Most bytes in the frames of a job.")
    )
    max_frames: int = field(default=1000, metadata=described("Most frames in a job."))
    quota: int = field(default=40 * GIGABYTE, metadata=described("Most bytes in all jobs."))
    queue: int = field(default=100, metadata=described("Most jobs that may wait."))
    keep: float = field(default=14.0, metadata=described("Days after which a job is removed."))

    def __post_init__(self) -> None:
        """Validate."""
        for name in ("jobs", "max_pixels", "max_bytes", "quota", "queue"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}; expected 1 or more")
        if self.max_memory < 0:
            raise ConfigError(f"max_memory is {self.max_memory}; expected 0 or more")
        if self.max_frames < 2:
            raise ConfigError(f"max_frames is {self.max_frames}; expected 2 or more")
        if not 0 <= self.port <= 65535:
            raise ConfigError(f"port is {self.port}; expected 0 to 65535")
        if not self.keep > 0:
            raise ConfigError(f"keep is {self.keep}; expected a number of days above 0")
        if not self.token and not is_loopback(self.host):
            raise ConfigError(f"host is {self.host}, open to other machines; expected a token")
        if self.token and not TOKEN.fullmatch(self.token):
            raise ConfigError(
                f"the token is weak or has characters that an address cannot hold; expected "
                f"{SHORTEST_TOKEN} or more of A-Z a-z 0-9 . _ ~ -"
            )
        if self.folder is not None and self.folder.resolve().is_relative_to(self.store.resolve()):
            raise ConfigError(
                f"{self.folder}: lies in the store {self.store}; give another --store, or a folder "
                "of stacks outside it"
            )


def is_loopback(host: str) -> bool:
    """Return True if a host can be reached from this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
