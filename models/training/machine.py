"""Where a network is trained: one device, or several processes under the ordinary launcher.

`accelerate` reads what its launcher (or torchrun, or a cluster's scheduler) put into the
environment, finds the device and joins the processes. Everything else here is about what the
loop may assume: the main process alone writes, and all processes decide alike.
"""

from __future__ import annotations

import os
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import Any, Literal

import torch
from torch import Tensor, nn

from findings.errors import SettingsError

Precision = Literal["off", "gpu", "auto"]

_LONGEST_WAIT = timedelta(hours=6)
"""How long a process waits for the main one, which validates alone."""


def launched_processes() -> int:
    """How many processes the launcher started; 1 without a launcher."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def launched_as_main() -> bool:
    """Whether this is the process that writes and speaks."""
    return int(os.environ.get("RANK", "0")) == 0


def has_native_bfloat16() -> bool:
    """Whether this processor multiplies bfloat16 matrices in hardware (AVX512-BF16 or AMX)."""
    probe = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
    return bool(probe()) if probe is not None else False


def mixed_precision(asked: Precision, device: torch.device) -> torch.dtype | None:
    """The half precision to compute in on ``device``; None for single precision throughout.

    bfloat16 where a GPU has it and float16 (with scaled losses) where it has not; on a processor
    only where ``auto`` asks for it and bfloat16 is native.
    """
    if asked != "off" and device.type == "cuda":
        native = torch.cuda.is_bf16_supported(including_emulation=False)
        return torch.bfloat16 if native else torch.float16
    if asked == "auto" and device.type == "cpu" and has_native_bfloat16():
        return torch.bfloat16
    return None


class Machine:
    """The processes of one run and this process's place among them.

    Raises:
        SettingsError: the launcher asks for something else than data-parallel processes.
    """

    def __init__(self) -> None:
        from accelerate import Accelerator
        from accelerate.utils import (
            DistributedDataParallelKwargs,
            DistributedType,
            InitProcessGroupKwargs,
        )

        self._accelerator = Accelerator(
            cpu=not torch.accelerator.is_available(),
            # The preset decides, for each network of the run.
            mixed_precision="no",
            kwargs_handlers=[
                InitProcessGroupKwargs(timeout=_LONGEST_WAIT),
                # A batch may leave a head without a label, and so without a gradient.
                DistributedDataParallelKwargs(find_unused_parameters=True),
            ],
        )
        self.device: torch.device = self._accelerator.device
        self.processes: int = self._accelerator.num_processes
        self.rank: int = self._accelerator.process_index
        if self._accelerator.distributed_type in (
            DistributedType.DEEPSPEED,
            DistributedType.FSDP,
            DistributedType.MEGATRON_LM,
            DistributedType.XLA,
        ):
            raise SettingsError(
                "the experts' networks are small and trained in data-parallel processes: choose "
                "multi-GPU or multi-CPU in accelerate's configuration, without sharding"
            )
        if self.processes != launched_processes():
            raise SettingsError(
                f"the launcher started {launched_processes()} processes, which this machine's "
                "device cannot join: set ACCELERATE_USE_CPU=true or start one process"
            )

    @property
    def main(self) -> bool:
        """Whether this is the process that validates and writes."""
        return self.rank == 0

    def prepare(self, module: nn.Module) -> nn.Module:
        """Put a module on the device; with several processes its gradients become their mean."""
        prepared: nn.Module = self._accelerator.prepare_model(module)
        return prepared

    def unsynchronised(self, module: nn.Module) -> AbstractContextManager[Any]:
        """Within it, gradients add up in this process alone."""
        context: AbstractContextManager[Any] = self._accelerator.no_sync(module)
        return context

    def any(self, flag: bool) -> bool:
        """Whether ``flag`` is set in any process."""
        if self.processes == 1:
            return flag
        flags = torch.tensor([int(flag)], device=self.device)
        return bool(self._accelerator.reduce(flags, reduction="sum").item())

    def share(self, content: bytes) -> bytes:
        """Give every process the main one's ``content``."""
        if self.processes == 1:
            return content
        length = torch.tensor([len(content)], device=self.device)
        torch.distributed.broadcast(length, src=0)
        if self.main:
            held = torch.frombuffer(bytearray(content or b"\0"), dtype=torch.uint8)
        else:
            held = torch.zeros(max(1, int(length)), dtype=torch.uint8)
        held = held.to(self.device)
        torch.distributed.broadcast(held, src=0)
        return held.cpu().numpy().tobytes()[: int(length)]

    def wait(self) -> None:
        """Wait until every process is here."""
        self._accelerator.wait_for_everyone()

    def leave(self) -> None:
        """End the processes' connection; the last thing a run does."""
        if self.processes > 1:
            self._accelerator.end_training()


def follow_device(network: nn.Module, device: torch.device) -> None:
    """Let ``network`` take its inputs from anywhere and answer there.

    A task makes its batches and computes its loss on the processor, and need not know where the
    network lies; one that puts its batches on the network's device gets its outputs there.
    """
    from accelerate.utils import find_device, send_to_device

    asker = device

    def bring(
        _: nn.Module, inputs: tuple[Any, ...], named: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        nonlocal asker
        asker = find_device((inputs, named)) or device
        return send_to_device(inputs, device), send_to_device(named, device)

    def take_back(_: nn.Module, __: Any, ___: dict[str, Any], outputs: Any) -> Any:
        return send_to_device(outputs, asker)

    network.register_forward_pre_hook(bring, with_kwargs=True)
    network.register_forward_hook(take_back, with_kwargs=True)


def on_processor(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """A copy of a network's state in the processor's memory."""
    return {name: value.detach().to("cpu", copy=True) for name, value in state.items()}
