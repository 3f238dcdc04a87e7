#!/usr/bin/env python3
"""Prints the events of a .sesstrace recording as JSON, one a line, after docs/TRACE-FORMAT.md: read_sesstrace.py FILE"""
import json, struct, subprocess, sys, zlib
KINDS = {12: "enter", 13: "leave", 14: "signal_generated", 19: "new_task", 20: "exec", 21: "exit", 22: "dead", 23: "stopped",
         24: "freed", 25: "signal_delivered", 26: "snapshot", 27: "snapshot_end", 28: "clock_anchor", 29: "gap",
         31: "continued", 32: "inspected", 33: "attribute"}
def varint(data, at):
    if data[at] < 0x80:
        return data[at], at + 1
    high, end = varint(data, at + 1)
    return data[at] & 0x7F | high << 7, end
signed = lambda value: (value >> 1) ^ -(value & 1)
def fields(data):  # a protobuf message as {number: [values]}: numbers, or bytes
    at, found = 0, {}
    while at < len(data):
        key, at = varint(data, at)
        value, at = varint(data, at) if key & 7 in (0, 2) else (4 if key & 7 == 5 else 8, at)
        if key & 7:
            value, at = data[at:at + value], at + value
        found.setdefault(key >> 3, []).append(value)
    return found
def frames(path):  # what the zstd frames hold, one by one: the seek table at the end has their sizes
    data, at = open(path, "rb").read(), 0
    plain = subprocess.run(["zstd", "-dcq", path], stdout=subprocess.PIPE, check=True).stdout
    for _, size in struct.iter_unpack("<II", data[-9 - 8 * struct.unpack("<I", data[-9:-5])[0]:-9]):
        yield plain[at:at + size]
        at += size
def messages(frame):
    at = batch = 0
    while at < len(frame):
        size, begin = varint(frame, at)
        message, end, at = fields(frame[begin:begin + size]), at, begin + size
        if 15 in message:
            assert message[15][0] == struct.pack("<I", zlib.crc32(frame[batch:end])), "damaged"
            batch = at
        yield {number: values[0] for number, values in message.items()}, message
def events(frame):
    strings, tasks, ids, comms, states, seq, time, actor = [], [], [], {}, {}, 0, 0, 0
    for first, message in messages(frame):
        if first.keys() & {15, 16, 17, 18}:
            yield from map(json.loads, message.get(16, []))
            continue
        seq, time, actor = seq + 1 + signed(first.get(5, 0)), time + signed(first.get(6, 0)) & 2**64 - 1, first.get(8, actor)
        strings += [string.decode(errors="backslashreplace") for string in message.get(1, [])]
        for table, new in (tasks, message.get(2, [])), (ids, message.get(3, [])):
            for entry in map(fields, new):
                table.append(signed(entry.get(1, [0])[0]) + (table[-1] if table else 0))
        comms[actor] = strings[first[9]] if 9 in first else comms.get(actor, "")
        event = {"seq": seq, "at": time, "by": {"pid": tasks[actor], "comm": comms[actor]}}
        if 30 not in first:
            subject, changes = first.get(10, actor), fields(first.get(11, b""))
            like = states.get(changes.get(1, [None])[0], {"pgid": 0, "sid": 0, "comm": ""})
            names = {4: ("pgid", ids), 5: ("sid", ids), 15: ("comm", strings)}
            new = {names[n][0]: names[n][1][changes[n][0]] for n in names.keys() & changes.keys()}
            states[subject] = {**states.get(subject, like), **new}
            event["of"] = {"pid": tasks[subject], **states[subject]}
        for number in KINDS.keys() & first.keys():  # none: a kind of a later version
            yield {**event, "kind": KINDS[number], **json.loads(first.get(32, first.get(33, b"{}")))}
for event in (event for frame in frames(sys.argv[1]) for event in events(frame)):
    print(json.dumps(event))
