"""Stored pixel values of a DICOM image: native data read here, compressed data in a process apart.

DICOM PS3.5 section 8 (encoding of pixel data) and annex A.4 (encapsulated transfer syntaxes).
"""

from __future__ import annotations

import atexit
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import Field

from findings.claims import Frozen
from findings.errors import StudyError
from imaging import decoder_process
from imaging.limits import LoadLimits

StoredPixels = npt.NDArray[Any]

TRUNCATED = (
    "The pixel data is shorter than the image it describes, so the file is cut off or damaged; "
    "get a complete copy."
)


class PixelModule(Frozen):
    """The attributes that describe stored pixels (DICOM PS3.3 C.7.6.3)."""

    rows: int = Field(ge=1)
    columns: int = Field(ge=1)
    samples_per_pixel: int = Field(ge=1, le=3)
    bits_allocated: int
    bits_stored: int
    high_bit: int
    pixel_representation: int = Field(ge=0, le=1)
    planar_configuration: int = Field(default=0, ge=0, le=1)
    photometric_interpretation: str

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the decoded array."""
        plane = (self.rows, self.columns)
        return plane if self.samples_per_pixel == 1 else (*plane, self.samples_per_pixel)


def read_native(module: PixelModule, data: bytes, *, little_endian: bool) -> StoredPixels:
    """Stored values of uncompressed pixel data, high bits that hold no image removed.

    Raises:
        StudyError: the data is shorter than the image.
    """
    width = module.bits_allocated // 8
    count = int(np.prod(module.shape))
    if len(data) < count * width:
        raise StudyError(TRUNCATED)
    dtype = np.dtype(f"{'<' if little_endian else '>'}u{width}")
    values = np.frombuffer(data, dtype=dtype, count=count).astype(dtype.newbyteorder("="))
    if module.samples_per_pixel == 3 and module.planar_configuration == 1:
        pixels = np.moveaxis(values.reshape(3, module.rows, module.columns), 0, -1)
    else:
        pixels = values.reshape(module.shape)
    return _stored_bits(np.ascontiguousarray(pixels), module)


def _stored_bits(pixels: StoredPixels, module: PixelModule) -> StoredPixels:
    """Drop overlay bits beside the stored ones and extend the sign of signed values."""
    spare_above = module.bits_allocated - 1 - module.high_bit
    spare = module.bits_allocated - module.bits_stored
    if module.pixel_representation == 1:
        signed = pixels.view(pixels.dtype.str.replace("u", "i"))
        return (signed << spare_above) >> spare if spare else signed
    return (pixels << spare_above) >> spare if spare else pixels


def read_encapsulated(
    module: PixelModule, frame: bytes, transfer_syntax: str, limits: LoadLimits
) -> StoredPixels:
    """Stored values of one compressed frame.

    Raises:
        StudyError: the frame cannot be decoded, or not within the limits, or it decodes to another
            size than the header says.
    """
    request = {
        "transfer_syntax": transfer_syntax,
        "pixel_module": module.model_dump(exclude={"high_bit"}),
    }
    answer, payload = _DECODER.ask(request, frame, limits)
    if "error" in answer:
        raise StudyError(
            "The compressed pixel data cannot be decoded; the file is damaged or uses a "
            "compression that is not supported."
        )
    if tuple(answer["shape"]) != module.shape:
        raise StudyError(
            "The compressed picture has another size than the DICOM header says; "
            "the file is damaged."
        )
    return np.frombuffer(payload, dtype=np.dtype(answer["dtype"])).reshape(module.shape)


class _DecoderProcess:
    """One decoding process, started when first needed, replaced when it dies; thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._owner = 0
        self._memory = 0

    def ask(
        self, request: dict[str, Any], frame: bytes, limits: LoadLimits
    ) -> tuple[dict[str, Any], bytes]:
        with self._lock:
            process = self._running(limits.decode_bytes)
            assert process.stdin is not None
            assert process.stdout is not None
            timer = threading.Timer(limits.decode_seconds, process.kill)
            timer.start()
            try:
                decoder_process.write_message(process.stdin, request, frame)  # type: ignore[arg-type]
                return decoder_process.read_message(process.stdout)  # type: ignore[arg-type]
            except (EOFError, OSError, ValueError) as error:
                self._stop()
                raise StudyError(
                    "Decoding the compressed pixel data failed or took too long; "
                    "the file is probably damaged."
                ) from error
            finally:
                timer.cancel()

    def _running(self, memory_bytes: int) -> subprocess.Popen[bytes]:
        process = self._process
        # A forked copy of the application must not share its parent's pipes.
        mine = self._owner == os.getpid()
        if process is not None and mine and self._memory == memory_bytes and process.poll() is None:
            return process
        if mine:
            self._stop()
        script = Path(decoder_process.__file__)
        self._process = subprocess.Popen(
            [sys.executable, "-P", str(script), str(memory_bytes)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
        )
        self._owner, self._memory = os.getpid(), memory_bytes
        return self._process

    def _stop(self) -> None:
        process, self._process = self._process, None
        if process is None or self._owner != os.getpid():
            return
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except OSError:
                    continue

    def close(self) -> None:
        """End the process."""
        with self._lock:
            self._stop()


_DECODER = _DecoderProcess()
atexit.register(_DECODER.close)
