//! The cheapest way to write a string in tokens.

use super::{
    automaton::{Automaton, END_LIST},
    cost::{Cost, NEVER},
    vocabulary::{END, KEY, LEARNT, Vocabulary, key_token},
};
use hashlith_format::tokens::{MAX_TABLES, MAX_TEXT, key_tail};

/// No token.
pub const NO_TOKEN: u16 = u16::MAX;

/// A vocabulary with what its tokens cost.
#[derive(Clone, Debug)]
pub struct Parser {
    automaton: Automaton,
    /// As [`Vocabulary::len_of`].
    lens: Vec<u16>,
    /// The costs of the last table.
    last: Vec<Cost>,
    /// The costs of the tables before.
    heads: Vec<Vec<Cost>>,
    /// Some table has a token that stands for the key.
    has_keys: bool,
}

/// Memory that parses use again.
#[derive(Debug, Default)]
pub struct Scratch {
    /// The cheapest way from each byte to the end, by the last table.
    costs: Vec<Cost>,
    /// The token of each byte on that way.
    choices: Vec<u16>,
    /// The list of tokens at each byte, and whether the key, bit 0, and its tail, bit 1, are there.
    begins: Vec<(u32, u8)>,
    /// The cheapest way from the beginning to each byte with as many tokens as there are tables before, and its last token.
    heads: [Vec<(Cost, u16)>; MAX_TABLES],
    /// The tokens of the head, the last one first.
    chosen: Vec<u16>,
}

/// The key of the string that is parsed, if it is a value, as far as tokens stand for it.
#[derive(Clone, Copy)]
struct Key<'a> {
    whole: &'a [u8],
    tail: &'a [u8],
}

impl<'a> Key<'a> {
    fn new(key: Option<&'a [u8]>) -> Self {
        match key.filter(|key| key.len() <= MAX_TEXT) {
            Some(whole) => {
                // Either is a token of its own only if the other is not the same.
                let tail = key_tail(whole);
                Key { whole, tail: if tail.len() < whole.len() { tail } else { &[] } }
            }
            None => Key { whole: &[], tail: &[] },
        }
    }

    fn part(&self, tail: bool) -> &'a [u8] {
        if tail { self.tail } else { self.whole }
    }

    /// Which of them `text` begins with, whose first byte is `first`: bit 0 and bit 1.
    #[inline(always)]
    fn found(&self, first: u8, text: &[u8]) -> u8 {
        let is = |part: &[u8]| part.first() == Some(&first) && text.starts_with(part);
        u8::from(is(self.whole)) | u8::from(is(self.tail)) << 1
    }
}

/// A piece of a string, at most as long as a parse shall be.
#[derive(Clone, Copy)]
pub struct Piece<'a> {
    pub bytes: &'a [u8],
    /// The string begins with it.
    pub first: bool,
    /// The string ends with it.
    pub last: bool,
}

impl Parser {
    /// `costs` has a list for each table; a token costs `NEVER` in a table that does not have it. Each table has all tokens
    /// of one byte, and the end.
    pub fn new(vocabulary: &Vocabulary, costs: &[Vec<Cost>]) -> Self {
        Parser {
            automaton: Automaton::new(vocabulary),
            lens: (0..vocabulary.len()).map(|token| vocabulary.len_of(token)).collect(),
            last: Vec::new(),
            heads: Vec::new(),
            has_keys: false,
        }
        .priced(costs)
    }

    /// The same with other costs.
    pub fn priced(mut self, costs: &[Vec<Cost>]) -> Self {
        let (last, heads) = costs.split_last().expect("there is a table");
        self.automaton.set_costs(last);
        self.last.clone_from(last);
        self.heads = heads.to_vec();
        self.has_keys = costs.iter().any(|costs| costs[KEY.into()..LEARNT].iter().any(|&cost| cost < NEVER));
        self
    }

    /// Gives `take` the tokens of `piece` in order, each with the number of its table. Returns what they cost.
    pub fn parse(
        &self,
        piece: Piece<'_>,
        key: Option<&[u8]>,
        scratch: &mut Scratch,
        take: &mut impl FnMut(usize, u16),
    ) -> Cost {
        let key = Key::new(key.filter(|_| self.has_keys));
        let has_heads = piece.first && !self.heads.is_empty();
        match (key.whole.is_empty(), has_heads) {
            (true, false) => self.cheapest::<false, false>(piece, key, NO_TOKEN, scratch),
            (true, true) => self.cheapest::<false, true>(piece, key, NO_TOKEN, scratch),
            (false, false) => self.cheapest::<true, false>(piece, key, NO_TOKEN, scratch),
            (false, true) => self.cheapest::<true, true>(piece, key, NO_TOKEN, scratch),
        }
        let (mut at, mut cost) = (0, scratch.costs[0]);
        if has_heads {
            (at, cost) = self.head(piece, key, scratch);
            for (table, &token) in scratch.chosen.iter().rev().enumerate() {
                take(table, token);
            }
        }
        let last = self.heads.len();
        let end = piece.bytes.len() + usize::from(piece.last);
        while at < end {
            let token = scratch.choices[at];
            take(last, token);
            at += self.len(token, key);
        }
        cost
    }

    /// What `text` costs in tokens of the last table other than `token`.
    pub fn cost_without(&self, text: &[u8], ends: bool, token: u16, scratch: &mut Scratch) -> Cost {
        let piece = Piece { bytes: text, first: false, last: ends };
        self.cheapest::<false, false>(piece, Key::new(None), token, scratch);
        scratch.costs[0]
    }

    /// What a whole string costs in tokens of the last table; `None` if it is one itself.
    pub fn cost_of_parts(&self, string: &[u8], scratch: &mut Scratch) -> Option<Cost> {
        let piece = Piece { bytes: string, first: false, last: true };
        self.cheapest::<false, false>(piece, Key::new(None), NO_TOKEN, scratch);
        let first = usize::from(scratch.choices[0]);
        (usize::from(self.lens[first]) <= string.len()).then_some(scratch.costs[0])
    }

    fn len(&self, token: u16, key: Key<'_>) -> usize {
        let len = usize::from(self.lens[usize::from(token)]);
        match token.checked_sub(KEY) {
            Some(kind) if usize::from(token) < LEARNT => len + key.part(kind & 1 != 0).len(),
            _ => len,
        }
    }

    /// Fills in the cheapest way from each byte to the end; with `HEADS` also what begins at each byte.
    #[inline(always)]
    fn cheapest<const KEYS: bool, const HEADS: bool>(
        &self,
        piece: Piece<'_>,
        key: Key<'_>,
        skip: u16,
        scratch: &mut Scratch,
    ) {
        let Scratch { costs, choices, begins, .. } = scratch;
        let len = piece.bytes.len();
        let end = len + usize::from(piece.last);
        // What is further back is never read before it is written.
        if costs.len() <= end {
            costs.resize(end + 1, 0);
            choices.resize(end + 1, 0);
            begins.resize(end + 1, (0, 0));
        }
        let (costs, choices, begins) = (&mut costs[..=end], &mut choices[..=end], &mut begins[..=end]);
        costs[end] = 0;
        let mut state = Automaton::START;
        if piece.last {
            costs[len] = self.last[usize::from(END)];
            choices[len] = END;
            begins[len] = (END_LIST, 0);
            state = Automaton::ENDED;
        }
        for (at, &byte) in piece.bytes.iter().enumerate().rev() {
            let (next, list) = self.automaton.step(state, byte);
            state = next;
            // The cost above the token: the least of such numbers is found without a jump.
            let entry = |cost: Cost, token: u16| u64::from(cost) << 16 | u64::from(token);
            let mut best = entry(NEVER, NO_TOKEN);
            self.automaton.each(list, |found| {
                let cost = found.cost + costs[at + usize::from(found.len)];
                if found.token != skip {
                    best = best.min(entry(cost, found.token));
                }
            });
            let mut found = 0;
            if KEYS {
                found = key.found(byte, &piece.bytes[at..]);
                if found != 0 {
                    self.each_key(piece, key, at, found, &mut |token, to| {
                        best = best.min(entry(self.last[usize::from(token)] + costs[to], token));
                    });
                }
            }
            costs[at] = (best >> 16) as Cost;
            choices[at] = best as u16;
            if HEADS {
                begins[at] = (list, found);
            }
        }
    }

    /// The tokens that stand for the key at `at`, and where they lead.
    fn each_key(
        &self,
        piece: Piece<'_>,
        key: Key<'_>,
        at: usize,
        found: u8,
        take: &mut impl FnMut(u16, usize),
    ) {
        for tail in [false, true] {
            let part = key.part(tail);
            if found & 1 << u8::from(tail) != 0 && !part.is_empty() {
                let to = at + part.len();
                take(key_token(tail, false), to);
                if piece.last && to == piece.bytes.len() {
                    take(key_token(tail, true), to + 1);
                }
            }
        }
    }

    /// The cheapest way through the tables before the last, into `scratch.chosen`: where it leads, and what the whole costs.
    fn head(&self, piece: Piece<'_>, key: Key<'_>, scratch: &mut Scratch) -> (usize, Cost) {
        let Scratch { costs, begins, heads, chosen, .. } = scratch;
        let end = piece.bytes.len() + usize::from(piece.last);
        heads[0].clear();
        heads[0].push((0, NO_TOKEN));
        let (mut best, mut best_end) = (NEVER, (0, 0));
        for (table, own) in self.heads.iter().enumerate() {
            let (before, after) = heads.split_at_mut(table + 1);
            let (before, after) = (&before[table], &mut after[0]);
            after.clear();
            after.resize((before.len() + MAX_TEXT + 1).min(end + 1), (NEVER, NO_TOKEN));
            for (at, &(cost, _)) in before.iter().enumerate() {
                if cost >= NEVER || at == end {
                    continue;
                }
                let mut put = |token: u16, to: usize| {
                    let cost = cost + own[usize::from(token)];
                    if cost < after[to].0 {
                        after[to] = (cost, token);
                    }
                };
                let (list, found) = begins[at];
                self.automaton.each(list, |found| put(found.token, at + usize::from(found.len)));
                self.each_key(piece, key, at, found, &mut put);
            }
            // The string may end here; the last of these tables leads on.
            let is_last = table + 1 == self.heads.len();
            for (at, &(cost, _)) in after.iter().enumerate() {
                if (is_last || at == end) && cost.saturating_add(costs[at]) < best {
                    (best, best_end) = (cost + costs[at], (table + 1, at));
                }
            }
        }
        chosen.clear();
        let (mut table, mut at) = best_end;
        while table > 0 {
            let (_, token) = heads[table][at];
            chosen.push(token);
            at -= self.len(token, key);
            table -= 1;
        }
        (best_end.1, best)
    }
}
