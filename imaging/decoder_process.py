"""Decompress DICOM frames in a process of its own; run as a script, spoken to over pipes.

JPEG-family decoders are native code fed with untrusted bytes. Here they may crash, exhaust
memory or hang without taking the application along. Only pixel bytes and the attributes of the
image pixel module cross the pipe, never a patient attribute.

A message is a four-byte big-endian length, that many bytes of JSON, and `payload` further bytes.
"""

from __future__ import annotations

import contextlib
import json
import logging
import struct
import sys
import warnings
from typing import Any, BinaryIO

PREFERRED_PLUGINS = {
    "1.2.840.10008.1.2.4.90": "pylibjpeg",
    "1.2.840.10008.1.2.4.91": "pylibjpeg",
}
"""OpenJPEG handles every bit depth of JPEG 2000; the others are tried where it fails."""


def write_message(stream: BinaryIO, header: dict[str, Any], payload: bytes | memoryview) -> None:
    """Send one message."""
    head = json.dumps({**header, "payload": len(payload)}).encode()
    stream.write(struct.pack(">I", len(head)) + head)
    stream.write(payload)
    stream.flush()


def read_message(stream: BinaryIO) -> tuple[dict[str, Any], bytes]:
    """Receive one message.

    Raises:
        EOFError: the other side closed the pipe.
    """
    prefix = stream.read(4)
    if len(prefix) < 4:
        raise EOFError
    header = json.loads(stream.read(struct.unpack(">I", prefix)[0]))
    payload = stream.read(header["payload"])
    if len(payload) < header["payload"]:
        raise EOFError
    return header, payload


def decode(request: dict[str, Any], frame: bytes) -> Any:
    """Decode one encapsulated frame to an array, rows × columns (× 3 for colour)."""
    from pydicom.encaps import encapsulate
    from pydicom.pixels.decoders.base import get_decoder

    syntax = request["transfer_syntax"]
    decoder = get_decoder(syntax)
    options = {**request["pixel_module"], "number_of_frames": 1, "pixel_keyword": "PixelData"}
    source = encapsulate([frame], has_bot=False)
    preferred = PREFERRED_PLUGINS.get(syntax, "")
    with contextlib.suppress(BaseException):
        if preferred in decoder.available_plugins:
            return decoder.as_array(source, index=0, decoding_plugin=preferred, **options)[0]
    return decoder.as_array(source, index=0, **options)[0]


def _bound_memory(size: int) -> None:
    try:
        import resource
    except ImportError:  # not a POSIX system: the parent's time limit still holds
        return
    resource.setrlimit(resource.RLIMIT_AS, (size, size))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def main(memory_bytes: int) -> None:
    """Answer requests until the pipe closes."""
    import numpy as np

    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    _bound_memory(memory_bytes)
    requests, answers = sys.stdin.buffer, sys.stdout.buffer
    while True:
        try:
            request, frame = read_message(requests)
        except EOFError:
            return
        try:
            array: Any = np.ascontiguousarray(decode(request, frame))
            array = array.astype(array.dtype.newbyteorder("="), copy=False)
        # A panic of a Rust decoder arrives as a BaseException.
        except BaseException as error:
            write_message(answers, {"error": type(error).__name__}, b"")
        else:
            header = {"dtype": array.dtype.str, "shape": list(array.shape)}
            write_message(answers, header, memoryview(array).cast("B"))


if __name__ == "__main__":
    main(int(sys.argv[1]))
