"""The sparse points as one photo sees them: `recon.sparse`, which models use too, under the name that priors know."""

from __future__ import annotations

from recon.sparse import SparseDepth, sparse_depth

__all__ = ["SparseDepth", "sparse_depth"]
