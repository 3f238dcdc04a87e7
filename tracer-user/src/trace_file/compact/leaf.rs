//! The small messages within the message of an event, which are read for nearly all of them. The others are left to prost.
//!
//! Must not: follow a reference.

use super::{
    record::{Call, Enter, Entered, Id, Leave, NewTask, SignalDelivered, SignalGenerated, Task, Tty, Waited},
    wire::{Broken, Fields},
};

/// Functions that read a message each: number of a field, its place, its value.
macro_rules! messages {
    ($fields:ident $wire:ident; $($name:ident -> $message:ident { $($field:literal $place:ident = $read:expr,)* })*) => {$(
        #[inline]
        pub(super) fn $name(bytes: &[u8]) -> Result<$message, Broken> {
            let (mut message, mut $fields) = ($message::default(), Fields::of(bytes));
            while let Some((field, $wire)) = $fields.next() {
                match field {
                    $($field => message.$place = $read,)*
                    _ => $fields.skip($wire),
                }
            }
            $fields.end().map(|()| message)
        }
    )*};
}

messages! { fields wire;
    task -> Task {
        1 pid = fields.signed(wire),
        2 tid = Some(fields.word(wire)),
        3 start = fields.signed(wire),
    }
    id -> Id {
        1 number = fields.signed(wire),
        2 ino = fields.signed(wire),
    }
    tty -> Tty {
        1 major = fields.word(wire),
        2 minor = fields.word(wire),
        3 instance = fields.word(wire),
        4 foreground = fields.word(wire),
        5 foreground_empty = fields.flag(wire),
        6 session = fields.word(wire),
    }
    call -> Call {
        1 name = fields.word(wire),
        2 a = fields.signed(wire),
        3 b = fields.signed(wire),
        4 c = fields.signed(wire),
        5 d = fields.number(wire),
    }
    enter -> Enter {
        1 call = Some(call(fields.bytes(wire))?),
        2 target_unknown = fields.flag(wire),
    }
    leave -> Leave {
        1 call = Some(call(fields.bytes(wire))?),
        2 ret = Some(fields.signed(wire)),
        3 paired = Some(fields.signed(wire)),
        4 entered = Some(entered(fields.bytes(wire))?),
        5 emitted_differs = fields.flag(wire),
        6 target_unknown = fields.flag(wire),
        7 waited = Some(waited(fields.bytes(wire))?),
    }
    entered -> Entered {
        1 seq = fields.signed(wire),
        2 at = fields.signed(wire),
    }
    waited -> Waited {
        1 child = fields.word(wire),
        2 status = fields.word(wire),
        3 value = fields.signed(wire),
        4 left_waitable = fields.flag(wire),
    }
    signal_generated -> SignalGenerated {
        1 signal = fields.word(wire),
        2 origin = fields.word(wire),
        3 code = fields.signed_word(wire),
        4 process_directed = fields.flag(wire),
        5 outcome = fields.word(wire),
        6 disposition = fields.word(wire),
        7 blocked = fields.flag(wire),
        8 at_delivery = fields.flag(wire),
    }
    signal_delivered -> SignalDelivered {
        1 signal = fields.word(wire),
        2 code = fields.signed_word(wire),
        3 disposition = fields.word(wire),
    }
    new_task -> NewTask {
        1 flags = fields.number(wire),
    }
}

#[cfg(test)]
mod tests {
    use prost::Message as _;

    use super::*;

    /// Both ways, beside prost.
    #[test]
    fn what_is_read_is_what_prost_reads() {
        for (number, flag) in [(0, false), (1, true), (-1, false), (i64::MAX, true), (i64::MIN, true)] {
            let word = number as u32;
            let made =
                Call { name: word, a: number, b: -number.saturating_abs(), c: number / 3, d: number.cast_unsigned() };
            assert_eq!(call(&made.encode_to_vec()), Ok(made));
            let status = Waited { child: word, status: word / 2, value: number, left_waitable: flag };
            let begin = Entered { seq: number, at: !number };
            let left = Leave {
                call: flag.then_some(made),
                ret: Some(number),
                paired: (!flag).then_some(number),
                entered: flag.then_some(begin),
                emitted_differs: flag,
                target_unknown: !flag,
                waited: Some(status),
            };
            assert_eq!(leave(&left.encode_to_vec()), Ok(left));
            let begun = Enter { call: Some(made), target_unknown: flag };
            assert_eq!(enter(&begun.encode_to_vec()), Ok(begun));
            let sent = SignalGenerated {
                signal: word,
                origin: word,
                code: number as i32,
                process_directed: flag,
                outcome: word,
                disposition: word,
                blocked: !flag,
                at_delivery: flag,
            };
            assert_eq!(signal_generated(&sent.encode_to_vec()), Ok(sent));
            let taken = SignalDelivered { signal: word, code: number as i32, disposition: word };
            assert_eq!(signal_delivered(&taken.encode_to_vec()), Ok(taken));
            let new = NewTask { flags: number.cast_unsigned() };
            assert_eq!(new_task(&new.encode_to_vec()), Ok(new));
            let thread = Task { pid: number, tid: flag.then_some(word), start: number };
            assert_eq!(task(&thread.encode_to_vec()), Ok(thread));
            let life = Id { number, ino: !number };
            assert_eq!(id(&life.encode_to_vec()), Ok(life));
            let terminal = Tty {
                major: word,
                minor: !word,
                instance: word,
                foreground: word,
                foreground_empty: flag,
                session: word,
            };
            assert_eq!(tty(&terminal.encode_to_vec()), Ok(terminal));
        }
    }
}
