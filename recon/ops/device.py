"""Which kernels an operator runs: those of the device that its tensors are on, and never others without a word."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from recon.errors import InputError
from recon.ops.native import native

__all__ = ["gpu_kernels", "kernel", "stream_of", "why_no_gpu"]


def gpu_kernels(*tensors: Tensor | None) -> ModuleType | None:
    """The module with the CUDA operators where these tensors are on a GPU, None where they are on the CPU.

    Tensors on different devices, and devices that recon has no kernels for, raise.
    """
    places = {tensor.device for tensor in tensors if tensor is not None}
    if len(places) > 1:
        raise ValueError(f"The operator got tensors on several devices: {', '.join(sorted(map(str, places)))}.")
    kind = next(iter(places)).type if places else "cpu"
    if kind in _KERNELS:
        return _KERNELS[kind]
    if kind == "cpu":
        return None
    if kind != "cuda" or not hasattr(native(), "CudaSplat"):
        raise InputError(f"recon has no kernels for {kind} in this build.", advice="Use --device cpu.")
    return native()


def kernel(name: str, *tensors: Tensor | None) -> Callable[..., Any]:
    """The native operator of this name for the device that the tensors are on.

    It wants all of its arguments but the last: how many threads or which stream it runs on.
    """
    kernels = gpu_kernels(*tensors)
    if kernels is None:
        return partial(getattr(native(), name), threads=torch.get_num_threads())
    stream = next((stream_of(tensor) for tensor in tensors if tensor is not None), 0)
    return partial(getattr(kernels, f"cuda_{name}"), stream=stream)


def stream_of(tensor: Tensor) -> int:
    """The CUDA stream that torch works on now, as kernels take it."""
    return torch.cuda.current_stream(tensor.device).cuda_stream if tensor.device.type == "cuda" else 0


def why_no_gpu() -> str | None:
    """Why nothing can be computed on a GPU here; None when it can."""
    devices, reason = native().cuda_info()
    if devices == 0:
        return reason
    if not torch.cuda.is_available():
        return f"this torch ({torch.__version__}) was built without CUDA or cannot reach the driver"
    return None


_KERNELS: dict[str, ModuleType] = {}
"""Modules that stand in for a device's kernels: tests put the CUDA kernels, emulated, behind CPU tensors."""
