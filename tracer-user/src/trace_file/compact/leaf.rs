//! The small messages within the message of an event, which are read for nearly all of them. The others are left to prost.
//!
//! Must not: follow a reference.

use super::{
    record::{Call, Enter, Entered, Id, Leave, NewTask, SignalDelivered, SignalGenerated, Task, Tty, Waited},
    wire::{Broken, Fields},
};

/// Functions that read a message each: number of a field, its place, its value.
macro_rules! messages {
    ($value:ident; $($name:ident -> $message:ident { $($field:literal $place:ident = $read:expr,)* })*) => {$(
        pub(super) fn $name(bytes: &[u8]) -> Result<$message, Broken> {
            let (mut message, mut fields) = ($message::default(), Fields(bytes));
            while let Some((field, $value)) = fields.next()? {
                match field {
                    $($field => message.$place = $read,)*
                    _ => $value.skip()?,
                }
            }
            Ok(message)
        }
    )*};
}

messages! { value;
    task -> Task {
        1 pid = value.signed()?,
        2 tid = Some(value.word()?),
        3 start = value.signed()?,
    }
    id -> Id {
        1 number = value.signed()?,
        2 ino = value.signed()?,
    }
    tty -> Tty {
        1 major = value.word()?,
        2 minor = value.word()?,
        3 instance = value.word()?,
        4 foreground = value.word()?,
        5 foreground_empty = value.flag()?,
        6 session = value.word()?,
    }
    call -> Call {
        1 name = value.word()?,
        2 a = value.signed()?,
        3 b = value.signed()?,
        4 c = value.signed()?,
        5 d = value.number()?,
    }
    enter -> Enter {
        1 call = Some(call(value.bytes()?)?),
        2 target_unknown = value.flag()?,
    }
    leave -> Leave {
        1 call = Some(call(value.bytes()?)?),
        2 ret = Some(value.signed()?),
        3 paired = Some(value.signed()?),
        4 entered = Some(entered(value.bytes()?)?),
        5 emitted_differs = value.flag()?,
        6 target_unknown = value.flag()?,
        7 waited = Some(waited(value.bytes()?)?),
    }
    entered -> Entered {
        1 seq = value.signed()?,
        2 at = value.signed()?,
    }
    waited -> Waited {
        1 child = value.word()?,
        2 status = value.word()?,
        3 value = value.signed()?,
        4 left_waitable = value.flag()?,
    }
    signal_generated -> SignalGenerated {
        1 signal = value.word()?,
        2 origin = value.word()?,
        3 code = value.signed_word()?,
        4 process_directed = value.flag()?,
        5 outcome = value.word()?,
        6 disposition = value.word()?,
        7 blocked = value.flag()?,
        8 at_delivery = value.flag()?,
    }
    signal_delivered -> SignalDelivered {
        1 signal = value.word()?,
        2 code = value.signed_word()?,
        3 disposition = value.word()?,
    }
    new_task -> NewTask {
        1 flags = value.number()?,
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
