"""Metadata in a .tflite file, put in front of what is there: nothing in the file changes or loses its alignment.

References in a flatbuffer go forward, so that a new root table in front of the old file can refer to everything in it.
It moves by a multiple of 16 bytes, so that everything stays aligned as its writer aligned it. Unpacking the model and
packing it again would not do: the Python classes that are generated from the schema know nothing of its `force_align`,
and weights at multiples of 16 bytes would come to lie at any of 4.
"""

import struct
from collections.abc import Sequence

import flatbuffers
from ai_edge_litert import schema_py_generated as schema
from flatbuffers.table import Table

_ALIGNMENT_BYTES = 16
_IDENTIFIER = b"TFL3"
_VERSION, _BUFFERS, _METADATA, _FIELDS = 0, 4, 6, 10
"""Numbers of fields of the table Model, and how many there are."""
_OFFSET = 1
"""Number of the field of the table Buffer that tells where data behind the flatbuffer are."""
_MOST_ENTRIES = 1000
"""A file has a handful; more are damage that would take long to read."""


def is_tflite(head: bytes) -> bool:
    """Whether a file with these first bytes calls itself TFLite."""
    return head[4:8] == _IDENTIFIER


def read_entry(model: bytes, name: str) -> bytes | None:
    """The content of the metadata entry of that name; None where there is none.

    Raises:
        ValueError, struct.error, TypeError, IndexError: damaged.
    """
    for entry in _tables(model, _METADATA)[:_MOST_ENTRIES]:
        if _name(entry) == name:
            buffer = _tables(model, _BUFFERS)[_buffer_number(entry)]
            return _content(buffer)
    return None


def with_entry(model: bytes, name: str, content: bytes) -> bytes:
    """The model with this metadata entry, in place of one of the same name.

    Raises:
        ValueError, struct.error, TypeError, IndexError: damaged.
    """
    buffers = _tables(model, _BUFFERS)
    builder = _in_front_of(model)
    size = builder.Offset()  # a builder counts from the end
    kept = [entry.Pos for entry in _tables(model, _METADATA) if _name(entry) != name]
    new_entry = _add_entry(builder, name, len(buffers))
    new_buffer = _add_buffer(builder, content)
    vectors = {
        _BUFFERS: _add_vector(builder, [*(size - buffer.Pos for buffer in buffers), new_buffer]),
        _METADATA: _add_vector(builder, [*(size - position for position in kept), new_entry]),
    }
    _add_root(builder, _root(model), size, vectors)
    described = bytearray(builder.Output())
    _move_outside(described, buffers, len(described) - size)
    return bytes(described)


def _move_outside(described: bytearray, buffers: Sequence[Table], by: int) -> None:
    """Weights behind the flatbuffer are found by their place in the file, which has changed."""
    for buffer in buffers:
        place = buffer.Offset(4 + 2 * _OFFSET)
        outside = buffer.Get(flatbuffers.number_types.Uint64Flags, buffer.Pos + place) if place else 0
        if outside > 1:  # 0 and 1 mean inside
            struct.pack_into("<Q", described, by + buffer.Pos + place, outside + by)


def _root(model: bytes) -> Table:
    return Table(model, int.from_bytes(model[:4], "little"))


def _tables(model: bytes, field: int) -> list[Table]:
    """The tables in a field of the root that is a vector of them."""
    root = _root(model)
    offset = root.Offset(4 + 2 * field)
    if offset == 0:
        return []
    start, count = root.Vector(offset), root.VectorLen(offset)
    if start + 4 * count > len(model):
        raise ValueError("a vector is longer than the file")
    return [Table(model, root.Indirect(start + 4 * index)) for index in range(count)]


def _name(entry: Table) -> str:
    metadata = schema.Metadata()
    metadata.Init(entry.Bytes, entry.Pos)
    return (metadata.Name() or b"").decode("utf-8", "replace")


def _buffer_number(entry: Table) -> int:
    metadata = schema.Metadata()
    metadata.Init(entry.Bytes, entry.Pos)
    return int(metadata.Buffer())


def _content(table: Table) -> bytes:
    buffer = schema.Buffer()
    buffer.Init(table.Bytes, table.Pos)
    return b"" if buffer.DataIsNone() else bytes(buffer.DataAsNumpy())


def _in_front_of(model: bytes) -> flatbuffers.Builder:
    """A builder that has the old file behind what it will write."""
    padded = model + bytes(-len(model) % _ALIGNMENT_BYTES)
    builder = flatbuffers.Builder(len(padded) + 4096)
    builder.head -= len(padded)
    builder.Bytes[builder.head :] = padded
    return builder


def _add_buffer(builder: flatbuffers.Builder, content: bytes) -> int:
    builder.StartVector(1, len(content), _ALIGNMENT_BYTES)
    builder.head -= len(content)
    builder.Bytes[builder.head : builder.head + len(content)] = content
    data = builder.EndVector()
    schema.BufferStart(builder)
    schema.BufferAddData(builder, data)
    return int(schema.BufferEnd(builder))


def _add_entry(builder: flatbuffers.Builder, name: str, buffer: int) -> int:
    text = builder.CreateString(name)
    schema.MetadataStart(builder)
    schema.MetadataAddName(builder, text)
    schema.MetadataAddBuffer(builder, buffer)
    return int(schema.MetadataEnd(builder))


def _add_vector(builder: flatbuffers.Builder, offsets: Sequence[int]) -> int:
    builder.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        builder.PrependUOffsetTRelative(offset)
    return int(builder.EndVector())


def _add_root(builder: flatbuffers.Builder, old: Table, size: int, vectors: dict[int, int]) -> None:
    """A table Model that refers to the new vectors, and else to what the old one refers to."""
    builder.StartObject(_FIELDS)
    for field in range(_FIELDS):
        offset = old.Offset(4 + 2 * field)
        if field in vectors:
            builder.PrependUOffsetTRelativeSlot(field, vectors[field], 0)
        elif offset and field == _VERSION:
            builder.PrependUint32Slot(field, old.Get(flatbuffers.number_types.Uint32Flags, old.Pos + offset), 0)
        elif offset:
            builder.PrependUOffsetTRelativeSlot(field, size - old.Indirect(old.Pos + offset), 0)
    builder.Finish(builder.EndObject(), _IDENTIFIER)
