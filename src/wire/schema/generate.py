#!/usr/bin/env python3
"""Writes table_*.rs: the shape of every request of Apache Kafka, from the JSON message schemas inside its clients jar.

    unzip -d schemas kafka-clients-4.3.1.jar 'common/message/*Request.json'
    src/wire/schema/generate.py schemas/common/message     (then: cargo fmt)

Only facts are taken: field names, types, and the versions that have them.
"""

import glob
import json
import re
import sys

FILES = [("table_a", 0, 19), ("table_b", 20, 39), ("table_c", 40, 59), ("table_d", 60, 79), ("table_e", 80, 92)]
WIDTHS = {"bool": 1, "int8": 1, "int16": 2, "uint16": 2, "int32": 4, "uint32": 4, "int64": 8, "float64": 8, "uuid": 16}


def load(path):
    text = open(path, encoding="utf-8").read()
    text = re.sub(r"^\s*//.*$", "", text, flags=re.M)
    return json.loads(re.sub(r'(?<=[,\[\{\]\}"0-9a-z])\s+//.*$', "", text, flags=re.M))


def versions(text):
    """First and last version; `MAX` stands for "and all that follow"; None for no version."""
    if text in (None, "none"):
        return None
    first, _, last = text.partition("-")
    if text.endswith("+"):
        return int(text[:-1]), "MAX"
    return int(first), int(last or first)


def kind(type_name, field, structs):
    if type_name.startswith("[]"):
        element = kind(type_name[2:], field, structs)
        return element.replace("Struct", "Rows", 1) if element.startswith("Struct") else f"List(&{element})"
    if type_name in WIDTHS:
        return f"Fixed({WIDTHS[type_name]})"
    if type_name == "string":
        return "Text"
    if type_name in ("bytes", "records"):
        return "Blob"
    return f"Struct(&[{fields(field.get('fields') or structs[type_name], structs)}])"


def fields(of, structs):
    return "\n".join(one_field(field, structs) + "," for field in of)


def one_field(field, structs):
    first, last = versions(field["versions"])
    shape = kind(field["type"], field, structs)
    maker, argument = {"Rows": ("rows", shape[5:-1]), "Stru": ("record", shape[7:-1])}.get(shape[:4], ("field", shape))
    out = f'{maker}("{field["name"]}", {first}, {last}{", " + argument if maker == "field" else ""})'
    if maker != "field":
        out += f".of({argument})"
    nullable = versions(field.get("nullableVersions"))
    if nullable:
        # Null stays allowed up to the last version that has the field; the table keeps only where it begins.
        assert nullable[1] in ("MAX", last), field
        out += f".null_from({nullable[0]})"
    tagged = versions(field.get("taggedVersions"))
    if tagged:
        assert tagged == (first, last), field
        out += f".tagged({field['tag']})"
    assert "flexibleVersions" not in field, field
    return out


def message(schema):
    structs = {s["name"]: s["fields"] for s in schema.get("commonStructs", [])}
    flexible = versions(schema["flexibleVersions"])
    first, last = versions(schema["validVersions"])
    name = schema["name"].removesuffix("Request")
    body = fields(schema["fields"], structs)
    return (
        f'new_message({schema["apiKey"]}, "{name}", {first}, {last}, '
        f"{flexible[0] if flexible else 'MAX'}).of(&[{body}]),"
    )


def main():
    schemas = [load(path) for path in glob.glob(sys.argv[1] + "/*Request.json")]
    schemas = sorted((s for s in schemas if s["validVersions"] != "none"), key=lambda s: s["apiKey"])
    for name, first, last in FILES:
        messages = "\n".join(message(s) for s in schemas if first <= s["apiKey"] <= last)
        kinds = ", ".join(used(["Blob", "Fixed", "List", "Text"], messages))
        makers = ", ".join(["MAX", "Message"] + used(["field", "new_message", "record", "rows"], messages))
        with open(f"{sys.path[0]}/{name}.rs", "w", encoding="utf-8") as out:
            out.write(
                f"//! The shape of the requests with API keys {first} to {last} of Apache Kafka 4.3.1. "
                "Written by generate.py.\n\n"
                f"use super::Kind::{{{kinds}}};\nuse super::{{{makers}}};\n\n"
                f"pub(super) const MESSAGES: &[Message] = &[\n{messages}\n];\n"
            )


def used(words, text):
    return [word for word in words if re.search(rf"\b{word}\b", text)]


main()
