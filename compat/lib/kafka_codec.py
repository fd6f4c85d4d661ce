"""A Kafka protocol codec driven by the JSON message schemas in Kafka's own clients jar: it knows no message by heart.

Messages are dicts by field name. A field that is left out has its default, or null where Kafka's schema names none but
allows it, so that a request says only what it means.
"""

import json
import re
import socket
import struct
import zipfile

NUMBERS = {"int8": "b", "int16": "h", "int32": "i", "int64": "q", "uint16": "H", "uint32": "I", "float64": "d"}
NIL = bytes(16)
PATIENCE_S = 30


class Schemas:
    """All requests and answers of one jar."""

    def __init__(self, libs):
        jar = next(libs.glob("kafka-clients-[0-9]*.jar"))
        with zipfile.ZipFile(jar) as archive:
            names = [n for n in archive.namelist() if re.fullmatch(r"common/message/\w+(Request|Response)\.json", n)]
            schemas = [_parse(archive.read(name).decode()) for name in names]
        self._by_name = {schema["name"]: schema for schema in schemas}

    def __getitem__(self, name):
        return self._by_name[name]

    def versions(self, api):
        """First and last version of a request."""
        return _range(self[api + "Request"]["validVersions"])

    def encode(self, name, version, message):
        schema = self[name]
        return _encode_fields(schema["fields"], message, Layout(schema, version))

    def decode(self, name, version, data):
        schema, reader = self[name], Reader(data)
        message = _decode_fields(schema["fields"], reader, Layout(schema, version))
        assert reader.at == len(data), f"{len(data) - reader.at} bytes follow {name} {version}"
        return message


class Connection:
    """One socket to a broker; requests go out and answers come in one by one."""

    def __init__(self, schemas, address, client_id="compat"):
        self.schemas, self.client_id, self.correlation_id = schemas, client_id.encode(), 0
        host, port = address.rsplit(":", 1)
        self.socket = socket.create_connection((host, int(port)), PATIENCE_S)

    def call(self, api, version, message):
        """The answer as a dict; None if the broker closed the connection instead."""
        request = self.schemas[api + "Request"]
        flexible = Layout(request, version).flexible
        self.correlation_id += 1
        header = struct.pack(">hhih", request["apiKey"], version, self.correlation_id, len(self.client_id)) + self.client_id
        frame = header + (b"\0" if flexible else b"") + self.schemas.encode(api + "Request", version, message)
        self.socket.sendall(struct.pack(">i", len(frame)) + frame)
        size = self._receive(4)
        if size is None:
            return None
        answer = self._receive(struct.unpack(">i", size)[0])
        assert answer[:4] == struct.pack(">i", self.correlation_id), "an answer to another request"
        has_tags = flexible and api != "ApiVersions"
        assert not has_tags or answer[4:5] == b"\0", "tagged fields in a header that has none"
        return self.schemas.decode(api + "Response", version, answer[5 if has_tags else 4 :])

    def close(self):
        self.socket.close()

    def _receive(self, size):
        data = b""
        while len(data) < size:
            try:
                part = self.socket.recv(size - len(data))
            except ConnectionResetError:
                return None
            if not part:
                return None
            data += part
        return data


class Layout:
    """How the fields of one message in one version lie: its version, whether it is compact, its shared structures."""

    def __init__(self, schema, version):
        self.version = version
        self.flexible = _has(schema["flexibleVersions"], version)
        self.structs = {struct["name"]: struct["fields"] for struct in schema.get("commonStructs", [])}

    def fields_of(self, field, type_name):
        return field.get("fields") or self.structs[type_name]


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, size):
        assert self.at + size <= len(self.data), "the answer ends too early"
        self.at += size
        return self.data[self.at - size : self.at]

    def number(self, code):
        return struct.unpack(">" + code, self.take(struct.calcsize(code)))[0]

    def uvarint(self):
        value = shift = 0
        while True:
            byte = self.take(1)[0]
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7


def _parse(text):
    text = re.sub(r"^\s*//.*$", "", text, flags=re.M)
    return json.loads(re.sub(r'(?<=[,\[\{\]\}"0-9a-z])\s+//.*$', "", text, flags=re.M))


def _range(versions):
    if versions in (None, "none"):
        return 1, 0
    first, _, last = versions.rstrip("+").partition("-")
    return int(first), 1 << 15 if versions.endswith("+") else int(last or first)


def _has(versions, version):
    first, last = _range(versions)
    return first <= version <= last


def _default(field, layout):
    type_name, default = field["type"], field.get("default")
    nullable = _has(field.get("nullableVersions"), layout.version)
    if default == "null" or (default is None and nullable):
        return None
    if type_name in NUMBERS:
        return int(default, 0) if isinstance(default, str) else default or 0
    if type_name == "bool":
        return default in ("true", True)
    if type_name == "uuid":
        return NIL
    if type_name.startswith("[]"):
        return []
    return {"string": default or "", "bytes": b"", "records": b""}.get(type_name, {})


def _may_be_null(field, type_name, layout):
    """Whether this structure may be null; where the field is an array of structures, it is the array that may be."""
    return type_name == field["type"] and _has(field.get("nullableVersions"), layout.version)


def _is_tagged(field, layout):
    return _has(field.get("taggedVersions"), layout.version)


def _uvarint(value):
    out = b""
    while value > 0x7F:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def _length(size, code, layout):
    """A length or count; None stands for null."""
    if layout.flexible:
        return _uvarint(0 if size is None else size + 1)
    return struct.pack(">" + code, -1 if size is None else size)


def _encode_fields(fields, message, layout):
    unknown = set(message) - {field["name"] for field in fields}
    assert not unknown, f"no such fields: {unknown}"
    out, tagged = b"", []
    for field in fields:
        if not _has(field["versions"], layout.version):
            continue
        value = message.get(field["name"], _default(field, layout))
        if not _is_tagged(field, layout):
            out += _encode(field, field["type"], value, layout)
        elif value != _default(field, layout):
            tagged.append((field["tag"], _encode(field, field["type"], value, layout)))
    if layout.flexible:
        out += _uvarint(len(tagged))
        for tag, data in sorted(tagged):
            out += _uvarint(tag) + _uvarint(len(data)) + data
    return out


def _encode(field, type_name, value, layout):
    if type_name in NUMBERS:
        return struct.pack(">" + NUMBERS[type_name], value)
    if type_name == "bool":
        return b"\1" if value else b"\0"
    if type_name == "uuid":
        return value
    if type_name in ("string", "bytes", "records"):
        data = value.encode() if isinstance(value, str) else value
        size = None if data is None else len(data)
        return _length(size, "h" if type_name == "string" else "i", layout) + (data or b"")
    if type_name.startswith("[]"):
        size = None if value is None else len(value)
        return _length(size, "i", layout) + b"".join(_encode(field, type_name[2:], item, layout) for item in value or [])
    if _may_be_null(field, type_name, layout):
        if value is None:
            return b"\xff"
        return b"\1" + _encode_fields(layout.fields_of(field, type_name), value, layout)
    return _encode_fields(layout.fields_of(field, type_name), value, layout)


def _decode_fields(fields, reader, layout):
    message = {}
    for field in fields:
        if _has(field["versions"], layout.version):
            tagged = _is_tagged(field, layout)
            message[field["name"]] = _default(field, layout) if tagged else _decode(field, field["type"], reader, layout)
    if layout.flexible:
        for _ in range(reader.uvarint()):
            tag, part = reader.uvarint(), Reader(reader.take(reader.uvarint()))
            for field in fields:
                if _is_tagged(field, layout) and field["tag"] == tag:
                    message[field["name"]] = _decode(field, field["type"], part, layout)
    return message


def _decode(field, type_name, reader, layout):
    if type_name in NUMBERS:
        return reader.number(NUMBERS[type_name])
    if type_name == "bool":
        return reader.take(1) != b"\0"
    if type_name == "uuid":
        return reader.take(16)
    if type_name in ("string", "bytes", "records") or type_name.startswith("[]"):
        size = reader.uvarint() - 1 if layout.flexible else reader.number("h" if type_name == "string" else "i")
        if size < 0:
            return None
        if type_name.startswith("[]"):
            return [_decode(field, type_name[2:], reader, layout) for _ in range(size)]
        data = reader.take(size)
        return data.decode() if type_name == "string" else data
    if _may_be_null(field, type_name, layout) and reader.number("b") < 0:
        return None
    return _decode_fields(layout.fields_of(field, type_name), reader, layout)
