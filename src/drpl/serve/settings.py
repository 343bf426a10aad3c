"""What whoever starts the service allows: address, limits, folders."""

from __future__ import annotations

import ipaddress
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path

from drpl.errors import ConfigError
from drpl.io.read import MAX_PIXELS

SHORTEST_TOKEN = 16
TOKEN = re.compile(rf"[\w.~-]{{{SHORTEST_TOKEN},}}", re.ASCII)
"""What an address and a cookie hold as it is."""
GIGABYTE = 1_000_000_000
MEBIBYTE = 1 << 20


@dataclass(frozen=True)
class Settings:
    """What the service may use, and for whom it is.

    Attributes
    ----------
    store : Path
        Folder of the jobs.
    folder : Path or None
        Whose folders are offered as stacks.
    host : str
        Address to listen on.
    port : int
        0 takes a free one.
    token : str
        What a client must show; empty for none, which only loopback allows.
    demo : bool
        Whether the drawn scene is offered.
    jobs : int
        Stacks at a time; they share ``max_memory``.
    max_memory : int
        Megabytes; 0: no limit.
    max_pixels : int
        Of a frame.
    max_bytes : int
        Of the frames of a job.
    max_frames : int
        Of a job.
    quota : int
        Bytes of the whole store.
    queue : int
        Jobs that may wait, and jobs that may be open without being started.
    keep : float
        Days after which a job that has ended is removed.
    names : tuple of str
        Names by which clients may ask, besides those of the machine.

    Raises
    ------
    ConfigError
        If a value is out of range, a token is missing or weak, or ``folder`` lies in ``store``.
    """

    store: Path
    folder: Path | None = None
    host: str = "127.0.0.1"
    port: int = 8765
    token: str = ""
    demo: bool = False
    jobs: int = 1
    max_memory: int = 0
    max_pixels: int = MAX_PIXELS
    max_bytes: int = 8 * GIGABYTE
    max_frames: int = 1000
    quota: int = 40 * GIGABYTE
    queue: int = 100
    keep: float = 14.0
    names: tuple[str, ...] = ()

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


def default_store() -> Path:
    """Where jobs are kept, if nothing else is said: the user's folder for data."""
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local"))
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Application Support"
    else:
        base = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    return base / "drpl" / "serve"
