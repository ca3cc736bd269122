//! Names in a pickle. None is looked up: a name only tells the shape of what follows it.

use crate::pickle::held::Held;

/// Names whose meaning is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Global {
    OrderedDict,
    DefaultDict,
    Counter,
    Deque,
    /// Its items are in its attribute `data`.
    UserDict,
    /// `_codecs.encode`
    Encode,
    /// `bytes`, which older protocols call for an empty bytes object.
    Bytes,
    Bytearray,
    /// The type of a set, which older protocols call.
    Set,
    Dict,
    Tuple,
    List,
    Object,
    /// Another plain type, as a defaultdict's factory.
    Type,
    /// `copyreg._reconstructor`, which older protocols call for objects of any class.
    Reconstructor,
    /// `numpy.dtype`
    Dtype,
    /// `numpy.ndarray`
    Ndarray,
    /// `_reconstruct` of numpy: an empty array, whose state follows.
    Reconstruct,
    /// `scalar` of numpy: a type and the bytes of a number or a string.
    Scalar,
    /// `_frombuffer` of numpy: an array from its bytes.
    FromBuffer,
    /// joblib's `NumpyArrayWrapper`: the array's bytes follow the opcode that gives it its state.
    Wrapper,
}

impl Global {
    pub fn named(module: &[u8], name: &[u8]) -> Option<Global> {
        Some(match (module, name) {
            (b"collections", b"OrderedDict") => Global::OrderedDict,
            (b"collections", b"defaultdict") => Global::DefaultDict,
            (b"collections", b"Counter") => Global::Counter,
            (b"collections", b"deque") => Global::Deque,
            (b"collections", b"UserDict") | (b"UserDict", b"UserDict" | b"IterableUserDict") => {
                Global::UserDict
            }
            (b"_codecs", b"encode") => Global::Encode,
            (b"copyreg" | b"copy_reg", b"_reconstructor") => Global::Reconstructor,
            (b"builtins" | b"__builtin__", name) => match name {
                b"bytes" => Global::Bytes,
                b"bytearray" => Global::Bytearray,
                b"set" | b"frozenset" => Global::Set,
                b"dict" => Global::Dict,
                b"tuple" => Global::Tuple,
                b"list" => Global::List,
                b"object" => Global::Object,
                b"int" | b"long" | b"float" | b"bool" | b"str" | b"unicode" => Global::Type,
                _ => return None,
            },
            (b"numpy", b"dtype") => Global::Dtype,
            (b"numpy", b"ndarray") => Global::Ndarray,
            (b"numpy.core.multiarray" | b"numpy._core.multiarray", b"_reconstruct") => Global::Reconstruct,
            (b"numpy.core.multiarray" | b"numpy._core.multiarray", b"scalar") => Global::Scalar,
            (b"numpy.core.numeric" | b"numpy._core.numeric", b"_frombuffer") => Global::FromBuffer,
            (b"joblib.numpy_pickle", b"NumpyArrayWrapper") => Global::Wrapper,
            _ => return None,
        })
    }

    /// True if a call returns a dict.
    pub fn is_dict(self) -> bool {
        matches!(self, Global::OrderedDict | Global::DefaultDict | Global::Counter)
    }
}

/// Longest name that a message shows, in characters.
const SHOWN: usize = 200;
/// How many items a class counts as.
const WEIGHT: usize = 32;

/// A name whose meaning is not known. An object of such a class is taken as a dict or a list if it gets items as these do.
#[derive(Debug)]
pub(crate) struct Class {
    /// The offset of its opcode.
    pub at: u64,
    /// The opcode.
    pub op: u8,
    /// Module and name.
    pub path: Box<str>,
    held: Held,
}

impl Class {
    pub fn new(at: u64, op: u8, module: &[u8], name: &[u8], held: &Held) -> Self {
        held.add(WEIGHT);
        let part = |bytes: &[u8]| String::from_utf8_lossy(&bytes[..bytes.len().min(4 * SHOWN)]).into_owned();
        let path = format!("{}.{}", part(module), part(name));
        let path: String = path.escape_debug().take(SHOWN).collect();
        Class { at, op, path: path.into(), held: held.clone() }
    }

    /// True if it looks like a name in a program, and not like words of a text.
    pub fn is_plausible(&self) -> bool {
        self.path.chars().all(|char| char.is_alphanumeric() || "._<>".contains(char))
    }
}

impl Drop for Class {
    fn drop(&mut self) {
        self.held.remove(WEIGHT);
    }
}

/// What this reader does, at the end of messages that refuse something.
pub(crate) const DATA_ONLY: &str = "this reader runs nothing and takes only dicts, lists and tuples of strings and \
                                plain values; convert the object to these before pickling";
