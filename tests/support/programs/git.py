"""Git in temporary folders, without the user's configuration."""

import subprocess
from pathlib import Path

__all__ = ["run_git"]


def run_git(folder: Path, *arguments: str) -> None:
    """Run a git command in a folder, with a fixed identity and without signatures."""
    identity = ["-c", "user.name=t", "-c", "user.email=t@t.example", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)
