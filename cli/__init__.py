"""The command `recon`: parse, call, print, exit code."""
