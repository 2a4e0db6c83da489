"""How right and how fast the operators are on a machine, and how others do on the same inputs.

Needs torch and numpy alone, so that it runs on a bare GPU machine: `python -m recon.bench`.
"""

from recon.bench.options import BenchOptions
from recon.bench.results import BenchReport
from recon.bench.suite import run_bench
from recon.bench.tables import to_markdown

__all__ = ["BenchOptions", "BenchReport", "run_bench", "to_markdown"]
