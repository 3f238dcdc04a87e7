#!/usr/bin/env python3
"""Prints a .sesstrace recording as JSON, an object a line. Reads what docs/TRACE-FORMAT.md says, with nothing but Python
and the zstd command. Usage: read_sesstrace.py FILE"""
import json, struct, subprocess, sys, zlib

NAMES = {12: "enter", 13: "leave", 14: "signal_generated", 19: "new_task", 20: "exec", 21: "exit", 22: "dead", 23: "stopped",
         24: "freed", 25: "signal_delivered", 26: "snapshot", 27: "snapshot_end", 28: "clock_anchor", 29: "gap"}
FIELDS = {7: "signal_flags", 8: "exit_state", 9: "task_exit_state", 12: "task_flags", 14: "facts", 16: "jobctl",
          17: "tty_old_pgrp", 18: "uid", 19: "cgroup", 21: "parent_session"}

def varint(data, at):
    value = shift = 0
    while True:
        value |= (data[at] & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if data[at - 1] < 0x80:
            return value, at

def signed(value):
    return (value >> 1) ^ -(value & 1)

def fields(data):
    """A protobuf message: number -> values, as numbers or bytes."""
    at, found = 0, {}
    while at < len(data):
        key, at = varint(data, at)
        if key & 7 == 0:
            value, at = varint(data, at)
        else:
            size, at = varint(data, at) if key & 7 == 2 else (4 if key & 7 == 5 else 8, at)
            value, at = data[at:at + size], at + size
        found.setdefault(key >> 3, []).append(value)
    return found

def messages(data):
    """The messages of a recording, each batch once its check is right."""
    at = begin = 0
    batch = []
    while at < len(data):
        size, body = varint(data, at)
        message = data[body:body + size]
        if size == 5 and message[0] == 15 << 3 | 5:
            if struct.unpack("<I", message[1:])[0] != zlib.crc32(data[begin:at]):
                sys.exit("damaged")
            yield from batch
            batch, begin = [], body + size
        else:
            batch.append(message)
        at = body + size

def events(path):
    for frame in frames(path):
        tables = {"strings": [], "tasks": [], "ids": [], "ttys": []}
        states, comms, seq, now, actor, cpu = {}, {}, 0, 0, 0, 0
        for message in messages(frame):
            record = {number: values[-1] for number, values in (every := fields(message)).items()}
            if 16 in record:
                yield json.loads(record[16])
                continue
            if 17 in record or 18 in record:
                continue
            seq, now = seq + 1 + signed(record.get(5, 0)), now + signed(record.get(6, 0)) & (1 << 64) - 1
            tables["strings"] += [string.decode(errors="backslashreplace") for string in every.get(1, [])]
            for task in map(fields, every.get(2, [])):
                pid = signed(task.get(1, [0])[0]) + (tables["tasks"][-1]["pid"] if tables["tasks"] else 0)
                tables["tasks"].append({"pid": pid, "tid": task.get(2, [pid])[0], "start": now + signed(task.get(3, [0])[0])})
            for one in map(fields, every.get(3, [])):
                last = tables["ids"][-1] if tables["ids"] else (0, 0)
                tables["ids"].append((last[0] + signed(one.get(1, [0])[0]), last[1] + signed(one.get(2, [0])[0])))
            for tty in map(fields, every.get(4, [])):
                tables["ttys"].append([tty.get(number, [0])[0] for number in range(1, 7)])
            cpu, actor = record.get(7, cpu), record.get(8, actor)
            if 9 in record:
                comms[actor] = tables["strings"][record[9]]
            event = {"seq": seq, "at": now, "cpu": cpu, "kind": NAMES.get(next((n for n in record if n in NAMES), 0), "unknown"),
                     "by": tables["tasks"][actor] | {"comm": comms.get(actor, "")}}
            if 10 in record:
                event["of"] = tables["tasks"][record[10]] | subject(record, states, tables)
            yield event

def subject(record, states, tables):
    changes = {number: values[-1] for number, values in fields(record.get(11, b"")).items()}
    state = states.get(record[10]) or dict(states.get(changes.get(1), {}))
    for number, value in changes.items():
        if number in FIELDS:
            state[FIELDS[number]] = value
        elif number in (2, 4, 5, 20):
            state[{2: "id", 4: "pgrp", 5: "session", 20: "parent_pgrp"}[number]] = tables["ids"][value]
        elif number == 3:
            state["parent"] = tables["tasks"][value]["pid"]
        elif number == 6:
            state["tty"] = tables["ttys"][value - 1] if value else None
        elif number in (10, 11, 13):
            state[{10: "exit_code", 11: "group_exit_code", 13: "live"}[number]] = signed(value)
        elif number == 15:
            state["comm"] = tables["strings"][value]
    states[record[10]] = state
    return state

def frames(path):
    """The decompressed zstd frames. The tables of messages begin anew with each: the seek table says where that is."""
    data = open(path, "rb").read()
    count = struct.unpack("<I", data[-9:-5])[0]
    sizes, at = struct.unpack(f"<{2 * count}I", data[-9 - 8 * count:-9]), 0
    for compressed, decompressed in zip(sizes[::2], sizes[1::2]):
        if decompressed:
            yield subprocess.run(["zstd", "-dc"], input=data[at:at + compressed], capture_output=True, check=True).stdout
        at += compressed

if __name__ == "__main__":
    for event in events(sys.argv[1]):
        print(json.dumps(event))
