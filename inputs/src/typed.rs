//! Integer keys and numbers as text, there and back.

use half::f16;
use hashlith_format::{KeyType, Number, Row, ValueType, int_key, key_int};
use std::fmt::Write;

/// The bytes of an integer key in decimal.
///
/// # Errors
/// What is wrong, as words that follow "the key".
pub fn parse_key(text: &[u8]) -> Result<[u8; 8], String> {
    let number = std::str::from_utf8(text).ok().and_then(|text| text.parse().ok());
    number.map(int_key).ok_or_else(|| not_a_key(text))
}

/// What is wrong with a key that is not an integer of 64 bits.
pub(crate) fn not_a_key(text: &[u8]) -> String {
    let digits = text.strip_prefix(b"-").or(text.strip_prefix(b"+")).unwrap_or(text);
    if !digits.is_empty() && digits.iter().all(u8::is_ascii_digit) {
        return "is outside of the integers of 64 bits, -9223372036854775808 to 9223372036854775807".into();
    }
    "is not an integer".into()
}

/// Collects the numbers of a value.
pub struct Numbers<'o> {
    row: Row,
    found: u32,
    out: &'o mut Vec<u8>,
}

impl<'o> Numbers<'o> {
    /// Appends to `out`.
    pub fn new(row: Row, out: &'o mut Vec<u8>) -> Self {
        Numbers { row, found: 0, out }
    }

    /// An integer.
    ///
    /// # Errors
    /// What is wrong, as words that follow "the value"; so for the others.
    pub fn int(&mut self, number: i128) -> Result<(), String> {
        macro_rules! push {
            ($($number:ident $type:ty,)*) => {
                match self.row.number {
                    $(Number::$number => {
                        let number = <$type>::try_from(number).map_err(|_| self.refused(&number.to_string()))?;
                        self.out.extend_from_slice(&number.to_le_bytes());
                    })*
                    _ => return self.whole(number),
                }
            };
        }
        push!(Int8 i8, Int16 i16, Int32 i32, Int64 i64, Uint8 u8, Uint16 u16, Uint32 u32, Uint64 u64,);
        self.found = self.found.saturating_add(1);
        Ok(())
    }

    /// A number in decimal.
    ///
    /// # Errors
    /// As for [`Self::int`].
    pub fn text(&mut self, text: &str) -> Result<(), String> {
        macro_rules! push {
            ($($number:ident $type:ty,)*) => {
                match self.row.number {
                    $(Number::$number => self.out.extend_from_slice(&text.parse::<$type>().map_err(|_| self.refused(text))?.to_le_bytes()),)*
                    _ => {
                        if let Ok(whole) = text.parse() {
                            return self.whole(whole);
                        }
                        return self.float(text.parse().map_err(|_| self.refused(text))?, text);
                    }
                }
            };
        }
        push!(Int8 i8, Int16 i16, Int32 i32, Int64 i64, Uint8 u8, Uint16 u16, Uint32 u32, Uint64 u64,);
        self.found = self.found.saturating_add(1);
        Ok(())
    }

    /// An integer as a floating-point number, if there is one.
    fn whole(&mut self, number: i128) -> Result<(), String> {
        let float = number as f64;
        let stored = match self.row.number {
            Number::Float16 => f16::from_f64(float).to_f64(),
            Number::Float32 => f64::from(float as f32),
            _ => float,
        };
        if float as i128 != number || stored != float {
            return Err(self.refused(&number.to_string()));
        }
        self.float(float, &number.to_string())
    }

    /// A floating-point number, which may be shown as `text`.
    ///
    /// # Errors
    /// As for [`Self::int`].
    pub fn float(&mut self, number: f64, text: &str) -> Result<(), String> {
        // A number that becomes infinite or 0 would be another one. A `float32` is not rounded twice.
        let fits = |is_finite: bool, is_zero: bool| {
            let fits = (is_finite || !number.is_finite()) && (!is_zero || number == 0.0);
            fits.then_some(()).ok_or(())
        };
        let fits = match self.row.number {
            Number::Float16 => {
                let half = f16::from_f64(number);
                self.out.extend_from_slice(&half.to_le_bytes());
                fits(half.is_finite(), half.to_f64() == 0.0)
            }
            Number::Float32 => {
                let single = text.parse().unwrap_or(number as f32);
                self.out.extend_from_slice(&single.to_le_bytes());
                fits(single.is_finite(), single == 0.0)
            }
            Number::Float64 => {
                self.out.extend_from_slice(&number.to_le_bytes());
                let is_inf = text.trim_start_matches(['+', '-']).starts_with(['i', 'I']);
                if number.is_infinite() && !is_inf { Err(()) } else { Ok(()) }
            }
            _ => Err(()),
        };
        self.found = self.found.saturating_add(1);
        fits.map_err(|()| self.refused(text))
    }

    /// Numbers of the row's own type, as their bytes.
    pub fn raw(&mut self, bytes: &[u8], is_big_endian: bool) {
        let size = usize::from(self.row.number.size());
        let start = self.out.len();
        self.out.extend_from_slice(bytes);
        if is_big_endian {
            self.out[start..].chunks_exact_mut(size).for_each(<[u8]>::reverse);
        }
        self.found = self.found.saturating_add(u32::try_from(bytes.len() / size).unwrap_or(u32::MAX));
    }

    /// Ends the value.
    ///
    /// # Errors
    /// As for [`Self::int`].
    pub fn finish(self) -> Result<(), String> {
        match (self.row.dimension, self.found) {
            (_, found) if found == self.row.count() => Ok(()),
            (_, found) => Err(not_so_many(self.row, found.into())),
        }
    }

    /// What is wrong with something that is not such a number.
    #[cold]
    pub fn refused(&self, found: &str) -> String {
        let found: String = found.chars().take(60).collect();
        format!("holds {found:?}, which is no {}", self.row.number.name())
    }
}

/// What is wrong with a value of `found` numbers.
pub(crate) fn not_so_many(row: Row, found: u64) -> String {
    let unit = if found == 1 { "number" } else { "numbers" };
    match row.dimension {
        0 => format!("has {found} {unit} instead of one"),
        dimension => format!("has {found} {unit} instead of {dimension}"),
    }
}

/// Appends the bytes of a value: one number, or as many as the vector has, with blanks or commas between them, also in
/// brackets.
///
/// # Errors
/// What is wrong, as words that follow "the value".
pub fn parse_row(row: Row, text: &[u8], out: &mut Vec<u8>) -> Result<(), String> {
    let text = std::str::from_utf8(text).map_err(|_| "is not text".to_owned())?.trim_ascii();
    let inner = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    let mut numbers = Numbers::new(row, out);
    if row.dimension == 0 {
        numbers.text(text)?;
        return numbers.finish();
    }
    let inner = inner.unwrap_or(text).trim_ascii();
    if inner.is_empty() {
        return numbers.finish();
    }
    // Between two numbers are blanks, or one comma with blanks around it.
    for between_commas in inner.split(',') {
        let mut words = between_commas.split_ascii_whitespace().peekable();
        if words.peek().is_none() {
            return Err("has no number between two commas, or after the last".into());
        }
        words.try_for_each(|word| numbers.text(word))?;
    }
    numbers.finish()
}

/// Appends a key as text: an integer in decimal, anything else as it is.
pub fn write_key(kind: KeyType, key: &[u8], out: &mut Vec<u8>) {
    match key_int(key) {
        Some(key) if kind == KeyType::Int => out.extend_from_slice(key.to_string().as_bytes()),
        _ => out.extend_from_slice(key),
    }
}

/// Appends a value as text that [`parse_row`] reads back: a number, or a vector as a JSON array. Anything else as it is.
pub fn write_value(kind: ValueType, value: &[u8], out: &mut Vec<u8>) {
    let Some(row) = kind.row() else {
        out.extend_from_slice(value);
        return;
    };
    let mut text = String::new();
    for (place, bytes) in value.chunks_exact(usize::from(row.number.size())).enumerate() {
        if place > 0 {
            text.push(',');
        }
        write_number(row.number, bytes, &mut text);
    }
    if row.dimension > 0 {
        text = format!("[{text}]");
    }
    out.extend_from_slice(text.as_bytes());
}

fn write_number(number: Number, bytes: &[u8], out: &mut String) {
    macro_rules! write_as {
        ($type:ty) => {{
            let bytes = bytes.try_into().unwrap_or_default();
            // Writing to memory does not fail.
            let _ = write!(out, "{:?}", <$type>::from_le_bytes(bytes));
        }};
    }
    match number {
        Number::Int8 => write_as!(i8),
        Number::Int16 => write_as!(i16),
        Number::Int32 => write_as!(i32),
        Number::Int64 => write_as!(i64),
        Number::Uint8 => write_as!(u8),
        Number::Uint16 => write_as!(u16),
        Number::Uint32 => write_as!(u32),
        Number::Uint64 => write_as!(u64),
        Number::Float16 => {
            let _ = write!(out, "{:?}", f16::from_le_bytes(bytes.try_into().unwrap_or_default()).to_f32());
        }
        Number::Float32 => write_as!(f32),
        Number::Float64 => write_as!(f64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn row(name: &str) -> Row {
        Row::parse(name).unwrap()
    }

    fn parsed(name: &str, text: &str) -> Result<Vec<u8>, String> {
        let mut out = Vec::new();
        parse_row(row(name), text.as_bytes(), &mut out).map(|()| out)
    }

    #[test]
    fn keys() {
        for (text, key) in [("0", 0), ("-1", -1), ("+7", 7), ("007", 7), ("9223372036854775807", i64::MAX)] {
            assert_eq!(parse_key(text.as_bytes()), Ok(int_key(key)));
        }
        for text in ["", "-", "1.0", "1e3", " 1", "1 ", "0x1", "\u{661}"] {
            assert_eq!(parse_key(text.as_bytes()).unwrap_err(), "is not an integer", "{text}");
        }
        for text in ["9223372036854775808", "-9223372036854775809"] {
            assert!(parse_key(text.as_bytes()).unwrap_err().contains("outside"), "{text}");
        }
    }

    #[test]
    fn vectors_as_people_write_them() {
        let wanted = [1i16, -2, 3].map(i16::to_le_bytes).concat();
        for text in ["1 -2 3", "1,-2,3", "[1, -2, 3]", "[ 1 -2\t3 ]", " 1 , -2 ,3 "] {
            assert_eq!(parsed("int16[3]", text), Ok(wanted.clone()), "{text}");
        }
        for (text, what) in [
            ("1 2", "has 2 numbers instead of 3"),
            ("1 2 3 4", "has 4 numbers instead of 3"),
            ("", "has 0 numbers instead of 3"),
            ("1,,2", "no number between"),
            ("1,2,3,", "no number between"),
            ("[1,2,3", "no int16"),
            ("1 2 99999", "\"99999\", which is no int16"),
            ("1 2 3.0", "no int16"),
        ] {
            assert!(
                parsed("int16[3]", text).unwrap_err().contains(what),
                "{text}: {:?}",
                parsed("int16[3]", text)
            );
        }
        assert!(
            parsed("int16", "1 2").is_err()
                && parsed("int16", "[1]").is_err()
                && parsed("int16", "").is_err()
        );
    }

    #[test]
    fn no_number_becomes_another_one() {
        for (name, text) in [
            ("float32", "1e39"),
            ("float64", "1e309"),
            ("float16", "65520"),
            ("float32", "x"),
            ("float32", "16777217"),
            ("float64", "9007199254740993"),
            ("float16", "2049"),
            ("float32", "1e-60"),
            ("float16", "1e-30"),
            ("uint8", "-1"),
            ("uint8", "256"),
            ("int64", "9223372036854775808"),
            ("uint64", "18446744073709551616"),
        ] {
            assert!(parsed(name, text).is_err(), "{name} {text}");
        }
        for name in ["float16", "float32", "float64"] {
            for text in ["inf", "-inf", "NaN", "0.1", "1e-4", "0", "-0.0", "2048", "0e9"] {
                assert!(parsed(name, text).is_ok(), "{name} {text}");
            }
        }
    }

    proptest! {
        #[test]
        fn any_value_comes_back(name in proptest::sample::select(vec![
            "int8", "int16[2]", "int32", "int64[3]", "uint8[4]", "uint16", "uint32[2]", "uint64", "float16", "float16[4]",
            "float32", "float32[3]", "float64", "float64[2]",
        ]), bytes in proptest::collection::vec(any::<u8>(), 32)) {
            let kind: ValueType = name.parse().unwrap();
            let value = &bytes[..kind.width() as usize];
            let (mut text, mut back) = (Vec::new(), Vec::new());
            write_value(kind, value, &mut text);
            prop_assert_eq!(parse_row(row(name), &text, &mut back), Ok(()));
            // Of the many NaNs one stands for all.
            if !text.windows(3).any(|word| word == b"NaN") {
                prop_assert_eq!(back, value);
            }
        }

        #[test]
        fn any_key_comes_back(key: i64) {
            let mut text = Vec::new();
            write_key(KeyType::Int, &int_key(key), &mut text);
            prop_assert_eq!(parse_key(&text), Ok(int_key(key)));
        }
    }
}
