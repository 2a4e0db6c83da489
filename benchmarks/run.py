"""Speed and quality on this machine: the kernels, then, where RECON_DATA is set, real scenes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

if __name__ == "__main__":
    here = Path(__file__).parent
    subprocess.run([sys.executable, here / "kernels.py"], check=True)
    if "RECON_DATA" in os.environ:
        subprocess.run([sys.executable, here / "scenes.py"], check=True)
    else:
        print("\nRECON_DATA is not set: the real scenes are left out.")
