//! Tokens by number.

use hashlith_format::tokens::{Text, Token};

/// The token that ends a string, and nothing else. Those before it stand for one byte each, in order.
pub const END: u16 = 256;
/// The first of the tokens that stand for the key: the key, its tail, and both at the end of a string.
pub const KEY: u16 = 257;
/// The first token that was learnt.
pub const LEARNT: usize = 261;

/// The flags of a token that stands for the key.
pub const fn key_token(tail: bool, ends: bool) -> u16 {
    KEY + tail as u16 + 2 * ends as u16
}

/// Tokens: each byte, the end, the key, and any others.
#[derive(Clone, Debug)]
pub struct Vocabulary {
    bytes: Vec<u8>,
    tokens: Vec<(u32, u8, bool)>,
}

impl Vocabulary {
    /// The tokens that are always there.
    pub fn new() -> Self {
        let mut vocabulary = Vocabulary { bytes: Vec::new(), tokens: Vec::new() };
        (0..=255).for_each(|byte| vocabulary.push(&[byte], false));
        vocabulary.push(&[], true);
        // Their texts are never looked at.
        [false, false, true, true].into_iter().for_each(|ends| vocabulary.push(&[], ends));
        vocabulary
    }

    /// Adds a token of at most 255 bytes.
    pub fn push(&mut self, text: &[u8], ends: bool) {
        self.tokens.push((self.bytes.len() as u32, text.len() as u8, ends));
        self.bytes.extend_from_slice(text);
    }

    /// Number of tokens.
    pub fn len(&self) -> usize {
        self.tokens.len()
    }

    /// Bytes of all texts.
    pub fn text_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// The bytes of a token; none for those that stand for the key.
    pub fn text(&self, token: usize) -> &[u8] {
        let (start, len, _) = self.tokens[token];
        &self.bytes[start as usize..][..usize::from(len)]
    }

    /// Bytes of a token, and one more if it ends the string; for those that stand for the key, without the key.
    pub fn len_of(&self, token: usize) -> u16 {
        let (_, len, ends) = self.tokens[token];
        u16::from(len) + u16::from(ends)
    }

    /// True if a token ends the string.
    pub fn ends(&self, token: usize) -> bool {
        self.tokens[token].2
    }

    /// A token as a table has it.
    pub fn token(&self, token: usize) -> Token<'_> {
        let text = match token as u16 {
            key if (KEY..LEARNT as u16).contains(&key) => {
                if (key - KEY) & 1 == 0 {
                    Text::Key
                } else {
                    Text::KeyTail
                }
            }
            _ => Text::Bytes(self.text(token)),
        };
        Token { text, ends: self.ends(token) }
    }
}
