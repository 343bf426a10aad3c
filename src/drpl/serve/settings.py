"""What whoever starts the service allows: address, limits, folders."""

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
TOKEN = re.compile(rf"[\w.~-]{{{SHORTEST_TOKEN},}}", re.ASCII)
"""What an address and a cookie hold as it is."""
GIGABYTE = 1_000_000_000
MEBIBYTE = 1 << 20


def default_store() -> Path:
    """Where jobs are kept, if nothing else is said: the user's folder for data."""
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local"))
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Application Support"
    else:
        base = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    return base / "drpl" / "serve"


@dataclass(frozen=True)
class Settings:
    """What the service may use, and for whom it is.

    The help text of each field is its documentation.

    Raises
    ------
    ConfigError
        If a value is out of range, a token is missing or weak, or ``folder`` lies in ``store``.
    """

    store: Path = field(
        default_factory=default_store, metadata=described("Folder where jobs are kept.")
    )
    folder: Path | None = field(
        default=None, metadata=described("Folder whose folders are offered as stacks.")
    )
    host: str = field(
        default="127.0.0.1",
        metadata=described("Address to listen on; others than loopback need a token."),
    )
    names: tuple[str, ...] = field(
        default=(),
        metadata=described(
            "Name by which clients reach this machine, as of a proxy (repeatable).", flag="name"
        ),
    )
    port: int = field(default=8765, metadata=described("0 takes a free port."))
    token: str = field(
        default="",
        metadata=described("Token that clients must show; one is made if it is needed."),
    )
    demo: bool = field(
        default=False, metadata=described("Offer a drawn scene to try.", flag="demo")
    )
    jobs: int = field(default=1, metadata=described("Stacks fused at a time."))
    max_memory: int = field(
        default=0,
        metadata=described("Megabytes that all stacks fused at a time may take; 0: no limit."),
    )
    max_pixels: int = field(default=MAX_PIXELS, metadata=described("Pixels of a frame, at most."))
    max_bytes: int = field(
        default=8 * GIGABYTE, metadata=described("Bytes of the frames of a job, at most.")
    )
    max_frames: int = field(default=1000, metadata=described("Frames of a job, at most."))
    quota: int = field(default=40 * GIGABYTE, metadata=described("Bytes of all jobs, at most."))
    queue: int = field(default=100, metadata=described("Jobs that may wait."))
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
            raise ConfigError(f"keep is {self.keep}; expected days, above 0")
        if not self.token and not is_loopback(self.host):
            raise ConfigError(f"host is {self.host}, which others reach; expected a token with it")
        if self.token and not TOKEN.fullmatch(self.token):
            raise ConfigError(
                f"the token is weak or has signs that an address does not hold; expected "
                f"{SHORTEST_TOKEN} or more of A-Z a-z 0-9 . _ ~ -"
            )
        if self.folder is not None and self.folder.resolve().is_relative_to(self.store.resolve()):
            raise ConfigError(
                f"{self.folder}: lies in the store {self.store}; give another --store, or a folder "
                "of stacks outside of it"
            )


def is_loopback(host: str) -> bool:
    """Whether an address is reached from this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
