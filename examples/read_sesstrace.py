#!/usr/bin/env python3
"""Prints the events of a .sesstrace recording as JSON, one a line, after docs/TRACE-FORMAT.md: read_sesstrace.py FILE"""
import json, struct, subprocess, sys, zlib

KINDS = {12: "enter", 13: "leave", 14: "signal_generated", 19: "new_task", 20: "exec", 21: "exit", 22: "dead", 23: "stopped",
         24: "freed", 25: "signal_delivered", 26: "snapshot", 27: "snapshot_end", 28: "clock_anchor", 29: "gap",
         31: "continued", 32: "inspected"}

def varint(data, at):
    value = shift = 0
    while True:
        value, at, shift = value | (data[at] & 0x7F) << shift, at + 1, shift + 7
        if data[at - 1] < 0x80:
            return value, at

def signed(value):
    return (value >> 1) ^ -(value & 1)

def fields(data):
    """A protobuf message as {number: [values]}: numbers, or bytes."""
    at, found = 0, {}
    while at < len(data):
        key, at = varint(data, at)
        value, at = varint(data, at) if key & 7 in (0, 2) else (4 if key & 7 == 5 else 8, at)
        if key & 7:
            value, at = data[at:at + value], at + value
        found.setdefault(key >> 3, []).append(value)
    return found

def frames(data):
    """What the zstd frames hold, one by one: the seek table at the end says where they are."""
    count, at = struct.unpack("<I", data[-9:-5])[0], 0
    sizes = struct.unpack(f"<{2 * count}I", data[-9 - 8 * count:-9])
    for compressed, decompressed in zip(sizes[::2], sizes[1::2]):
        if decompressed:
            yield subprocess.run(["zstd", "-dcq"], input=data[at:at + compressed], stdout=subprocess.PIPE, check=True).stdout
        at += compressed

def messages(frame):
    at = batch = 0
    while at < len(frame):
        size, begin = varint(frame, at)
        message = fields(frame[begin:begin + size])
        if 15 in message:
            assert message[15][0] == struct.pack("<I", zlib.crc32(frame[batch:at])), "damaged"
            batch = begin + size
        else:
            yield message
        at = begin + size

def events(frame):
    strings, tasks, ids, comms, states, seq, time, actor = [], [], [], {}, {}, 0, 0, 0
    for message in messages(frame):
        if 16 in message:
            yield json.loads(message[16][0])
        kind = next((KINDS[number] for number in message if number in KINDS), None)
        if kind is None:
            continue
        first = {number: values[0] for number, values in message.items()}
        seq, time, actor = seq + 1 + signed(first.get(5, 0)), time + signed(first.get(6, 0)) & 2**64 - 1, first.get(8, actor)
        strings += [string.decode(errors="backslashreplace") for string in message.get(1, [])]
        for task in map(fields, message.get(2, [])):
            tasks.append(signed(task.get(1, [0])[0]) + (tasks[-1] if tasks else 0))
        for one in map(fields, message.get(3, [])):
            ids.append(signed(one.get(1, [0])[0]) + (ids[-1] if ids else 0))
        comms[actor] = strings[first[9]] if 9 in first else comms.get(actor, "")
        event = {"seq": seq, "at": time, "kind": kind, "by": {"pid": tasks[actor], "comm": comms[actor]}}
        if 30 not in first:
            subject = first.get(10, actor)
            changes = {number: values[0] for number, values in fields(first.get(11, b"")).items()}
            state = states.get(subject) or dict(states.get(changes.get(1), {"pgid": 0, "sid": 0, "comm": ""}))
            for number, name, table in ((4, "pgid", ids), (5, "sid", ids), (15, "comm", strings)):
                if number in changes:
                    state[name] = table[changes[number]]
            event["of"] = {"pid": tasks[subject], **state}
            states[subject] = state
        if kind == "inspected":
            event.update(json.loads(first[32]))
        yield event

if __name__ == "__main__":
    for frame in frames(open(sys.argv[1], "rb").read()):
        for event in events(frame):
            print(json.dumps(event))
