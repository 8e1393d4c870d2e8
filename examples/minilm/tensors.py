"""Reads and writes safetensors files with Python's standard library alone: 8 bytes of header length, JSON, the bytes."""
import array
import json
import math
import struct

TYPECODES = {"F32": "f", "F64": "d", "I32": "i", "I64": "q", "BOOL": "B", "U8": "B"}


def read(path):
    """{name: (dtype, shape, flat array.array)} of a safetensors file."""
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
        data = file.read()
    tensors = {}
    for name, entry in header.items():
        if name != "__metadata__":
            begin, end = entry["data_offsets"]
            values = array.array(TYPECODES[entry["dtype"]])
            values.frombytes(data[begin:end])
            if len(values) != math.prod(entry["shape"]):
                raise ValueError(f"{path}: {name} has {len(values)} values for shape {entry['shape']}")
            tensors[name] = (entry["dtype"], entry["shape"], values)
    return tensors


def write(path, tensors):
    """Writes {name: (dtype, shape, flat values)}."""
    header, chunks, offset = {}, [], 0
    for name, (dtype, shape, values) in tensors.items():
        chunk = array.array(TYPECODES[dtype], values).tobytes()
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [offset, offset + len(chunk)]}
        chunks.append(chunk)
        offset += len(chunk)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + b"".join(chunks))
