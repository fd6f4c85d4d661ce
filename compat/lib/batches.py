"""Record batches (magic 2), built and read byte by byte, for checks that must say exactly what a producer sends."""

import struct

TRANSACTIONAL, CONTROL = 0x10, 0x20
HEADER = struct.Struct(">qiibIhiqqqhii")


def _table():
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        yield byte


_CRC32C = list(_table())


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _CRC32C[(crc ^ byte) & 0xFF] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


def batch(values, producer_id=-1, epoch=-1, sequence=-1, transactional=False, timestamp=1_000):
    """One uncompressed batch, one record per value."""
    records = b"".join(_record(delta, value) for delta, value in enumerate(values))
    attributes = TRANSACTIONAL if transactional else 0
    body = struct.pack(">hiqqqhii", attributes, len(values) - 1, timestamp, timestamp, producer_id, epoch, sequence, len(values)) + records
    return struct.pack(">qiibI", 0, len(body) + 9, -1, 2, crc32c(body)) + body


def whole_batches(data):
    """The batches that an answer holds whole, as (first offset, last offset, attributes, producer id, epoch, sequence, records)."""
    found = []
    while len(data) >= HEADER.size:
        base, length, _, _, _, attributes, delta, _, _, producer_id, epoch, sequence, count = HEADER.unpack_from(data)
        if len(data) < length + 12:
            break
        found.append((base, base + delta, attributes, producer_id, epoch, sequence, count))
        data = data[length + 12:]
    return found


def _record(delta, value):
    body = b"\0\0" + _varint(delta) + _varint(-1) + _varint(len(value)) + value + _varint(0)
    return _varint(len(body)) + body


def _varint(number):
    number = (number << 1 ^ number >> 63) & (1 << 64) - 1
    out = b""
    while number > 0x7F:
        out += bytes([number & 0x7F | 0x80])
        number >>= 7
    return out + bytes([number])
