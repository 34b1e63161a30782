"""Reads JSON as strictly as Python can; one base64 text a line in, one answer a line out.

Numbers are answered as the bits of their double, so that no printing is in between.
"""
import base64
import json
import struct
import sys

sys.set_int_max_str_digits(0)


def pairs(items):
    found = dict(items)
    if len(found) < len(items):
        raise ValueError("duplicate key")
    for key in found:
        key.encode("utf-8")
    return found


def constant(name):
    raise ValueError(name)


def plain(value):
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, str):
        value.encode("utf-8")
        return value
    if isinstance(value, (int, float)):
        number = float(value) or 0.0
        if number in (float("inf"), float("-inf")):
            raise ValueError("beyond a double")
        return {"#": struct.pack(">d", number).hex()}
    if isinstance(value, list):
        return [plain(one) for one in value]
    return {"@" + key: plain(one) for key, one in value.items()}


for line in sys.stdin.buffer:
    try:
        text = base64.b64decode(line).decode("utf-8")
        answer = {"value": plain(json.loads(text, object_pairs_hook=pairs, parse_constant=constant))}
    except Exception as error:
        answer = {"error": type(error).__name__ + ": " + str(error)[:100]}
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()
