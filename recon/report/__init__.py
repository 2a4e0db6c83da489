"""What a training came to, as a page for people."""

from recon.report.page import Comparison, Outcome, write_report

__all__ = ["Comparison", "Outcome", "write_report"]
