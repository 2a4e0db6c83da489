"""Tensors by name as bytes of a safetensors file, and whether they are the ones that were expected."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

__all__ = ["Expected", "check_tensors", "tensors_from", "tensors_to_bytes"]

Expected = Mapping[str, tuple[torch.dtype, tuple[int | None, ...]]]
"""Type and shape of each tensor by name; None where any length will do."""


def tensors_to_bytes(tensors: Mapping[str, Tensor]) -> bytes:
    from safetensors.torch import save

    return save({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()})


def tensors_from(data: bytes) -> dict[str, Tensor]:
    """The tensors; raises `ValueError` where the bytes are none."""
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        return load(data)
    except (SafetensorError, KeyError) as error:  # KeyError: a type of number that torch does not have
        raise ValueError(str(error)) from error


def check_tensors(tensors: Mapping[str, object], expected: Expected) -> None:
    """Raise `ValueError` that names what is missing, or of another type or shape. More than expected does no harm."""
    for name, (dtype, shape) in expected.items():
        tensor = tensors.get(name)
        if not isinstance(tensor, Tensor):
            raise ValueError(f"{name} is missing")
        if tensor.dtype != dtype:
            raise ValueError(f"{name} holds {_plain(tensor.dtype)}, not {_plain(dtype)}")
        fits = len(shape) == tensor.ndim and all(
            wanted in (None, length) for wanted, length in zip(shape, tensor.shape, strict=True)
        )
        if not fits:
            wanted = " x ".join("any" if length is None else str(length) for length in shape)
            raise ValueError(f"{name} is {' x '.join(map(str, tensor.shape)) or 'one number'}, not {wanted or 'one'}")


def _plain(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
