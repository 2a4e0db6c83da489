"""A GPU that is only pretended: tensors that are sent there stay where they are and carry a mark.

What a GPU would refuse raises `MisplacedError`: an operation on tensors of both places, a kernel that gets a tensor of
the wrong one, numpy of what is not on the CPU. What a program would wait for is noted, with the line that asked for it.
Kernels are those that stand in for CUDA's: the emulated ones where there are any, the CPU's otherwise.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.autograd.graph import _engine_run_backward
from torch.multiprocessing.reductions import StorageWeakRef
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode, _disable_current_modes
from torch.utils._pytree import tree_leaves

from recon.ops import device as kernel_choice
from recon.ops.native import native

__all__ = ["CUDA", "MisplacedError", "PretendedGpu"]

CUDA = torch.device("cuda", 0)
_WAITING = {
    *("_local_scalar_dense", "nonzero", "masked_select", "_unique2", "unique_dim", "unique_consecutive", "bincount"),
    *("equal", "is_nonzero", "_linalg_check_errors", "repeat_interleave"),
}
_FROM_HOST_DATA = (torch.tensor, torch.as_tensor, torch.from_numpy)
_FOR_THE_HOST = {"CudaSplat": {1}, "inputs": {0}, "cuda_adam_step": {4}}
"""Places of arguments that kernels read on the host: poses and learning rates."""
_RECON = str(Path(__file__).resolve().parent.parent)


class MisplacedError(Exception):
    """What a GPU would have refused."""


class PretendedGpu:
    """A context. `marked` tells what is there, `waits` are the places in the program that waited, one by one."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.waits: list[str] = []
        self._there: dict[int, StorageWeakRef] = {}  # which keep their numbers from being given to others
        self._patch = monkeypatch

    def marked(self, tensor: Tensor) -> bool:
        return _key(tensor) in self._there

    @contextlib.contextmanager
    def on(self) -> Iterator[PretendedGpu]:
        there = kernel_choice._KERNELS.get("cpu", _CpuKernels())
        with self._patch.context() as patch:
            patch.setitem(kernel_choice._KERNELS, "cuda", _Kernels(self, there))
            patch.setattr("recon.ops.step_graph._recorded", lambda work, device: work)
            patch.setattr(torch.cuda, "current_stream", lambda device=None: _Stream())
            patch.setattr(torch.cuda, "current_device", lambda: 0)
            patch.setattr(torch.cuda, "Event", _Event)
            patch.setattr(torch.cuda, "get_rng_state", lambda device: None)
            patch.setattr(torch.cuda, "set_rng_state", lambda state, device: None)
            with _Operations(self), _Functions(self):
                yield self

    def _mark(self, result: Any, there: bool) -> Any:
        for leaf in tree_leaves(result):
            if isinstance(leaf, Tensor):
                self._there.pop(_key(leaf), None)
                if there:
                    self._there[_key(leaf)] = StorageWeakRef(_storage(leaf))
        return result

    def _wait(self, what: str) -> None:
        self.waits.append(f"{_line_of_recon()}: {what}")


class _Functions(TorchFunctionMode):
    """What is called by name: factories, moves between devices, and questions about them."""

    def __init__(self, gpu: PretendedGpu) -> None:
        super().__init__()
        self._gpu = gpu

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        gpu, kwargs = self._gpu, dict(kwargs or {})
        if getattr(func, "__self__", None) is torch.Tensor.device:
            return CUDA if gpu.marked(args[0]) else torch.device("cpu")
        if getattr(func, "__self__", None) is torch.Tensor.is_cuda:
            return gpu.marked(args[0])
        name = getattr(func, "__name__", "")
        if name == "backward" and func is torch.Tensor.backward:
            return self._backward(args[0])
        if func is torch.autograd.grad:
            return self._grad(*args, **kwargs)
        if name in ("to", "cpu", "cuda") and isinstance(args[0], Tensor):
            return self._moved(name, args[0], args[1:], kwargs)
        if name in ("numpy", "__array__") and gpu.marked(args[0]):
            raise MisplacedError(f"numpy of a tensor on the GPU, {_line_of_recon()}")
        if name == "tolist" and gpu.marked(args[0]):
            gpu._wait("tolist")
        kwargs.pop("pin_memory", None)
        if torch.device(kwargs.get("device") or "cpu").type != "cuda":
            return func(*args, **kwargs)
        if kwargs.get("generator") is not None:
            raise MisplacedError(f"a generator of the CPU for numbers on the GPU, {_line_of_recon()}")
        if func in _FROM_HOST_DATA:
            gpu._wait(name)
        return gpu._mark(func(*args, **kwargs | {"device": "cpu"}), there=True)

    def _moved(self, name: str, tensor: Tensor, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor:
        gpu, before = self._gpu, self._gpu.marked(tensor)
        given = [*args, *kwargs.values()]
        dtype = next((value for value in given if isinstance(value, torch.dtype)), tensor.dtype)
        device = next((value for value in given if isinstance(value, str | torch.device)), None)
        like = next((value for value in given if isinstance(value, Tensor)), None)
        if like is not None:
            device, dtype = CUDA if gpu.marked(like) else "cpu", like.dtype
        if name != "to":
            device = name
        flags = [value for value in args if isinstance(value, bool)]
        after = before if device is None else torch.device(device).type == "cuda"
        copy = before != after or kwargs.get("copy", flags[1:2] == [True])
        if before != after and not kwargs.get("non_blocking", flags[:1] == [True]):
            gpu._wait("to the GPU" if after else "to the CPU")
        result = tensor.to(dtype=dtype, copy=copy)
        return result if result is tensor else gpu._mark(result, after)

    def _backward(self, loss: Tensor) -> None:
        with self:  # what goes on inside is looked at as well
            torch.autograd.backward(loss)

    def _grad(self, outputs: Any, inputs: Any, *rest: Any, **kwargs: Any) -> Any:
        assert not rest
        assert not any(kwargs.get(name) for name in ("grad_outputs", "retain_graph", "create_graph", "allow_unused"))
        outputs = (outputs,) if isinstance(outputs, Tensor) else tuple(outputs)
        with self:
            start = tuple(torch.ones_like(output) for output in outputs)
            return _engine_run_backward(outputs, start, False, False, tuple(inputs), True, accumulate_grad=False)


class _Operations(TorchDispatchMode):
    """Every operation, those of the way back as well: where its tensors are, and whether somebody waits for it."""

    def __init__(self, gpu: PretendedGpu) -> None:
        super().__init__()
        self._gpu = gpu

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # it would be imported first, for seconds

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        gpu, kwargs = self._gpu, kwargs or {}
        tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        there = [tensor for tensor in tensors if gpu.marked(tensor)]
        name = func.__name__.split(".")[0]
        if there:
            self._judge(func, name, args, kwargs, tensors)
        result = func(*args, **kwargs)
        held = {_key(tensor) for tensor in tensors}
        for leaf in tree_leaves(result):
            if isinstance(leaf, Tensor) and _key(leaf) not in held:
                gpu._mark(leaf, len(there) > 0)
        return result

    def _judge(self, func: Any, name: str, args: Any, kwargs: Any, tensors: list[Tensor]) -> None:
        gpu = self._gpu
        if name == "copy_":
            source, target = args[1], args[0]
            blocking = not (kwargs.get("non_blocking") or (len(args) > 2 and args[2]))
            if gpu.marked(source) != gpu.marked(target) and blocking and source.dim() > 0:
                gpu._wait("copy_")
            return
        joins = name in ("cat", "stack")
        beside = [tensor for tensor in tensors if not gpu.marked(tensor) and (tensor.dim() > 0 or joins)]
        if beside:
            raise MisplacedError(
                f"{func} of tensors on the GPU and on the CPU {tuple(beside[0].shape)}, {_line_of_recon()}"
            )
        masks = name in ("index", "index_put", "index_put_") and any(
            isinstance(index, Tensor) and index.dtype in (torch.bool, torch.uint8) for index in args[1]
        )
        filled = name != "index" and masks and args[2].dim() == 0  # a number where a mask says so: nobody counts
        if name in _WAITING or (masks and not filled):
            gpu._wait(name)


class _Kernels(ModuleType):
    """A module of kernels, or what one of them made, that wants its tensors on the GPU."""

    def __init__(self, gpu: PretendedGpu, module: Any) -> None:
        super().__init__("pretended")
        self._gpu, self._module = gpu, module

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._module, name)
        return _checked(self._gpu, name, found) if callable(found) else found


def _checked(gpu: PretendedGpu, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
    def run(*args: Any, **kwargs: Any) -> Any:
        for place, value in enumerate(args):
            if not isinstance(value, Tensor):
                continue
            wanted = place not in _FOR_THE_HOST.get(name, ())
            if gpu.marked(value) != wanted:
                raise MisplacedError(f"argument {place} of {name} is on the {'CPU' if wanted else 'GPU'}")
        with torch._C.DisableTorchFunction(), _disable_current_modes():
            result = call(*args, **kwargs)
        plain = result is None or isinstance(result, int | float | bool | tuple | list)
        return result if plain else _Kernels(gpu, result)

    return run


class _CpuKernels:
    """The CPU's kernels by the names of CUDA's: the same operators; CUDA marches in two parts."""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name == "CudaMarching":
            return _TwoPartMarching
        call = getattr(native(), name.removeprefix("cuda_"))
        if name == "cuda_bf16_tiles":
            return call
        return lambda *args, **stream: call(*(args if stream else args[:-1]), 1)  # threads in place of a stream


class _TwoPartMarching:
    def __init__(self, *args: Any) -> None:
        self._rays, self._marching = len(args[0]), native().Marching(*args[:-1], 1)

    def workspace(self) -> int:
        return 1

    def count(self, most: int, offsets: Tensor, found: Tensor, workspace: Tensor) -> None:
        rays, t0, t1 = torch.empty(most, dtype=torch.int32), torch.empty(most), torch.empty(most)
        complete = self._marching.find(offsets, rays, t0, t1)
        n = int(offsets[-1])
        found[:] = torch.tensor([n, complete])
        self._found = (rays[:n], t0[:n], t1[:n])

    def fill(self, offsets: Tensor, *room: Tensor) -> None:
        for target, found in zip(room, self._found, strict=False):
            target.copy_(found)


class _Stream:
    cuda_stream = 0


class _Event:
    def record(self) -> None: ...

    def query(self) -> bool:
        return True


def _storage(tensor: Tensor) -> torch.UntypedStorage:
    with torch._C.DisableTorchFunction(), _disable_current_modes():
        return tensor.untyped_storage()


def _key(tensor: Tensor) -> int:
    return _storage(tensor)._cdata


def _line_of_recon() -> str:
    """The innermost line of recon's own code that is being run."""
    frame = sys._getframe(1)
    while frame is not None:
        file = frame.f_code.co_filename
        if file.startswith(_RECON) and "/tests/" not in file and "/.venv/" not in file:
            return f"{Path(file).parent.name}/{Path(file).name}:{frame.f_code.co_name}"
        frame = frame.f_back
    return "the test"
