//! The opcodes of all pickle protocols. Their reference is Python's `Lib/pickletools.py`.

macro_rules! opcodes {
    ($($name:ident = $byte:literal, $arg:ident;)+) => {
        $(#[allow(dead_code, reason = "the list is complete")]
        pub const $name: u8 = $byte;)+

        /// The opcode's name, as in `pickletools`; `None` for a byte that is not an opcode.
        pub fn name(op: u8) -> Option<&'static str> {
            match op { $($byte => Some(stringify!($name)),)+ _ => None }
        }

        /// What follows the opcode; `None` for a byte that is not an opcode.
        pub fn argument(op: u8) -> Option<Argument> {
            match op { $($byte => Some(Argument::$arg),)+ _ => None }
        }
    };
}

/// What follows an opcode in the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Argument {
    /// Nothing.
    Nothing,
    /// A little-endian number of this many bytes.
    One,
    Two,
    Four,
    Eight,
    /// A little-endian length of one, four or eight bytes, and that many bytes.
    Counted1,
    Counted4,
    Counted8,
    /// Text up to a newline.
    Line,
    /// Text up to the second newline.
    Lines2,
}

impl Argument {
    /// Bytes of the number or length that follows the opcode.
    pub fn width(self) -> usize {
        match self {
            Argument::Nothing | Argument::Line | Argument::Lines2 => 0,
            Argument::One | Argument::Counted1 => 1,
            Argument::Two => 2,
            Argument::Four | Argument::Counted4 => 4,
            Argument::Eight | Argument::Counted8 => 8,
        }
    }
}

opcodes! {
    MARK = b'(', Nothing;
    STOP = b'.', Nothing;
    POP = b'0', Nothing;
    POP_MARK = b'1', Nothing;
    DUP = b'2', Nothing;
    FLOAT = b'F', Line;
    INT = b'I', Line;
    BININT = b'J', Four;
    BININT1 = b'K', One;
    LONG = b'L', Line;
    BININT2 = b'M', Two;
    NONE = b'N', Nothing;
    PERSID = b'P', Line;
    BINPERSID = b'Q', Nothing;
    REDUCE = b'R', Nothing;
    STRING = b'S', Line;
    BINSTRING = b'T', Counted4;
    SHORT_BINSTRING = b'U', Counted1;
    UNICODE = b'V', Line;
    BINUNICODE = b'X', Counted4;
    APPEND = b'a', Nothing;
    BUILD = b'b', Nothing;
    GLOBAL = b'c', Lines2;
    DICT = b'd', Nothing;
    EMPTY_DICT = b'}', Nothing;
    APPENDS = b'e', Nothing;
    GET = b'g', Line;
    BINGET = b'h', One;
    INST = b'i', Lines2;
    LONG_BINGET = b'j', Four;
    LIST = b'l', Nothing;
    EMPTY_LIST = b']', Nothing;
    OBJ = b'o', Nothing;
    PUT = b'p', Line;
    BINPUT = b'q', One;
    LONG_BINPUT = b'r', Four;
    SETITEM = b's', Nothing;
    TUPLE = b't', Nothing;
    EMPTY_TUPLE = b')', Nothing;
    SETITEMS = b'u', Nothing;
    BINFLOAT = b'G', Eight;
    PROTO = 0x80, One;
    NEWOBJ = 0x81, Nothing;
    EXT1 = 0x82, One;
    EXT2 = 0x83, Two;
    EXT4 = 0x84, Four;
    TUPLE1 = 0x85, Nothing;
    TUPLE2 = 0x86, Nothing;
    TUPLE3 = 0x87, Nothing;
    NEWTRUE = 0x88, Nothing;
    NEWFALSE = 0x89, Nothing;
    LONG1 = 0x8a, Counted1;
    LONG4 = 0x8b, Counted4;
    BINBYTES = b'B', Counted4;
    SHORT_BINBYTES = b'C', Counted1;
    SHORT_BINUNICODE = 0x8c, Counted1;
    BINUNICODE8 = 0x8d, Counted8;
    BINBYTES8 = 0x8e, Counted8;
    EMPTY_SET = 0x8f, Nothing;
    ADDITEMS = 0x90, Nothing;
    FROZENSET = 0x91, Nothing;
    NEWOBJ_EX = 0x92, Nothing;
    STACK_GLOBAL = 0x93, Nothing;
    MEMOIZE = 0x94, Nothing;
    FRAME = 0x95, Eight;
    BYTEARRAY8 = 0x96, Counted8;
    NEXT_BUFFER = 0x97, Nothing;
    READONLY_BUFFER = 0x98, Nothing;
}
