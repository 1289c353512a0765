"""Arrays of NumPy and tensors of torch: from the one to the other."""

from typing import Any

import numpy as np
import torch

PRECISIONS = {np.dtype(np.float32): torch.float32, np.dtype(np.float64): torch.float64}


def to_numpy(a: torch.Tensor) -> np.ndarray:
    """A tensor as an array, wherever it lies."""
    a = a.detach().to_dense().cpu()
    return (a.float() if a.dtype == torch.bfloat16 else a).numpy()


def plain(value: Any) -> Any:
    """A tensor as a NumPy array; anything else as it is."""
    return to_numpy(value) if isinstance(value, torch.Tensor) else value


def tensor(a: np.ndarray, device: torch.device) -> torch.Tensor:
    """An array as a tensor on the device, without a copy where torch can do without."""
    ready = a.flags.carray and min(a.strides, default=0) >= 0
    return torch.from_numpy(a if ready else np.array(a, order="C")).to(device)


def device_for(device: Any, dtype: np.dtype) -> torch.device:
    """A device on which numbers of this type can be made and read."""
    try:
        chosen = torch.device(device)
        torch.zeros(1, dtype=PRECISIONS[dtype], device=chosen).item()
        return chosen
    except (AssertionError, NotImplementedError, RuntimeError, TypeError) as error:
        said = str(error).splitlines()[0].rstrip(".")
        raise ValueError(
            f'The device {device!r} cannot compute here in {dtype} ({said}): use "cpu", or a '
            "torch that was built for it."
        ) from None
