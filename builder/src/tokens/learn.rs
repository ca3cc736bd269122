//! Learns tokens from a sample, in generations.
//!
//! A generation writes the sample in the tokens so far, each costing what its frequency says. Then it keeps the candidates
//! that save most: tokens, pairs of tokens that occurred next to each other, and whole strings that occur again.

use super::{
    cost::{self, BIT, Cost},
    parse::{NO_TOKEN, Parser, Scratch},
    sample::Sample,
    vocabulary::{END, LEARNT, Vocabulary},
};
use hashlith_format::tokens::{MAX_TABLES, MAX_TEXT, MAX_TEXTS};
use rustc_hash::FxHashMap;
use std::collections::HashSet;

/// How much time learning may take, and encoding after it.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// Most tokens that are learnt. What the encoder and a lookup know of more leaves the processor's second cache.
    tokens: usize,
    generations: usize,
    /// The last of these read the whole sample, those before a part.
    whole: usize,
    /// The whole sample is every so manieth string.
    every: usize,
    /// Most tables of a side.
    pub tables: usize,
}

impl Effort {
    /// For small files.
    pub const THOROUGH: Self =
        Effort { tokens: 32 << 10, generations: 9, whole: 3, every: 1, tables: MAX_TABLES };
    /// For quick builds.
    pub const FAST: Self = Effort { tokens: 4 << 10, generations: 6, whole: 1, every: 3, tables: 1 };
}

/// The early generations read so many bytes of the sample, or a quarter.
const PART: usize = 1 << 20;

/// Tokens, with what one of each saves.
pub struct Learnt {
    pub vocabulary: Vocabulary,
    pub costs: Vec<Cost>,
    /// What one token saves against the same text without it; for a token that is always there, without bound.
    pub savings: Vec<Cost>,
}

/// Bits in a table for a text of `len` bytes: four bytes, and half the text, because texts share theirs.
pub fn table_cost(len: usize) -> u64 {
    32 + 4 * len as u64
}

/// What a token saves in the whole file, less its place in the table, if it occurs `count` times in `part` of the sample and
/// saves `each` a time. In bits.
pub fn gain(sample: &Sample<'_>, part: u64, count: u64, each: Cost, len: usize) -> i64 {
    let bits = u128::from(count) * u128::from(each) * u128::from(sample.file_bytes) / u128::from(part.max(1));
    i64::try_from(bits / u128::from(BIT)).unwrap_or(i64::MAX) - table_cost(len) as i64
}

/// What a new token may be.
#[derive(Clone, Copy)]
enum Candidate {
    Token(u16),
    Pair(u16, u16),
    Whole(u32),
}

/// Learns from `sample`.
pub fn learn(sample: &Sample<'_>, effort: Effort) -> Learnt {
    let wholes = repeated(sample);
    let mut scratch = Scratch::default();
    let mut vocabulary = Vocabulary::new();
    let mut costs = vec![8 * BIT; vocabulary.len()];
    for generation in 0.. {
        let parser = Parser::new(&vocabulary, &[costs.clone()]);
        let is_last = generation + 1 == effort.generations;
        let all = generation + effort.whole >= effort.generations;
        let step = effort.every * if all { 1 } else { sample.parts(PART) };
        let mut counted = Counted::new(vocabulary.len());
        let part = counted.read(sample, &parser, step, generation, !is_last, &mut scratch);
        costs = cost::of_counts(&counted.tokens);
        let parser = parser.priced(&[costs.clone()]);
        if is_last {
            let savings = savings(&vocabulary, &costs, &parser, &mut scratch);
            return Learnt { vocabulary, costs, savings };
        }
        let chosen = candidates(sample, part, &counted, &vocabulary, &costs, &parser, &wholes, &mut scratch);
        vocabulary = select(sample, &vocabulary, chosen, effort.tokens);
        // The costs of new tokens are not known: a quick parse with equal ones tells.
        let equal = vec![cost::log2(vocabulary.len() as u64); vocabulary.len()];
        let parser = Parser::new(&vocabulary, &[equal]);
        let mut counted = Counted::new(vocabulary.len());
        counted.read(sample, &parser, 2 * step, generation, false, &mut scratch);
        costs = cost::of_counts(&counted.tokens);
    }
    unreachable!("the last generation returns")
}

/// How often tokens and pairs of them occur.
struct Counted {
    tokens: Vec<u64>,
    /// Each pair, the first token above the second, and how often it occurs.
    pairs: FxHashMap<u32, u32>,
}

impl Counted {
    fn new(tokens: usize) -> Self {
        Counted { tokens: vec![0; tokens], pairs: FxHashMap::default() }
    }

    /// Parses every `step`th string from number `from` on. Returns their bytes.
    fn read(
        &mut self,
        sample: &Sample<'_>,
        parser: &Parser,
        step: usize,
        from: usize,
        pairs: bool,
        scratch: &mut Scratch,
    ) -> u64 {
        let mut bytes = 0;
        for i in sample.training(step, from) {
            bytes += sample.strings.get(i).len() as u64 + 1;
            let mut before = NO_TOKEN;
            sample.parse(i, parser, scratch, &mut |_, token| {
                self.tokens[usize::from(token)] += 1;
                if pairs && before != NO_TOKEN {
                    *self.pairs.entry(u32::from(before) << 16 | u32::from(token)).or_default() += 1;
                }
                before = token;
            });
        }
        bytes
    }

    /// Each pair that occurs more than twice, and how often; in the order of the tokens, so that nothing depends on the map.
    fn pairs(&self) -> impl Iterator<Item = (u16, u16, u64)> {
        let mut pairs: Vec<_> =
            self.pairs.iter().filter(|&(_, &count)| count > 2).map(|(&pair, &count)| (pair, count)).collect();
        pairs.sort_unstable();
        pairs.into_iter().map(|(pair, count)| ((pair >> 16) as u16, pair as u16, count.into()))
    }
}

/// True if a token stands for text.
fn is_text(token: u16) -> bool {
    token <= END || usize::from(token) >= LEARNT
}

/// The strings that occur more than once, one of each, with their number.
fn repeated(sample: &Sample<'_>) -> Vec<(u32, u64)> {
    let strings = sample.strings;
    let text = |i: u32| strings.get(i as usize);
    let mut order: Vec<u32> = sample
        .training(1, 0)
        .map(|i| i as u32)
        .filter(|&i| (1..=MAX_TEXT).contains(&text(i).len()))
        .collect();
    order.sort_unstable_by(|&a, &b| text(a).cmp(text(b)).then(a.cmp(&b)));
    order
        .chunk_by(|&a, &b| text(a) == text(b))
        .filter(|run| run.len() > 1)
        .map(|run| (run[0], run.len() as u64))
        .collect()
}

fn savings(vocabulary: &Vocabulary, costs: &[Cost], parser: &Parser, scratch: &mut Scratch) -> Vec<Cost> {
    (0..vocabulary.len())
        .map(|token| {
            if token < LEARNT {
                return cost::NEVER;
            }
            let (text, ends) = (vocabulary.text(token), vocabulary.ends(token));
            parser.cost_without(text, ends, token as u16, scratch).saturating_sub(costs[token])
        })
        .collect()
}

/// What is worth its place in the table, and what each saves, the most first.
#[expect(clippy::too_many_arguments, reason = "the state of a generation")]
fn candidates(
    sample: &Sample<'_>,
    part: u64,
    counted: &Counted,
    vocabulary: &Vocabulary,
    costs: &[Cost],
    parser: &Parser,
    wholes: &[(u32, u64)],
    scratch: &mut Scratch,
) -> Vec<(i64, Candidate)> {
    let mut found = Vec::new();
    let mut add = |count: u64, each: Cost, len: usize, candidate: Candidate| {
        let gain = gain(sample, part, count, each, len);
        if gain > 0 {
            found.push((gain, candidate));
        }
    };
    for (token, saving) in savings(vocabulary, costs, parser, scratch).into_iter().enumerate().skip(LEARNT) {
        if counted.tokens[token] > 1 {
            add(counted.tokens[token], saving, vocabulary.text(token).len(), Candidate::Token(token as u16));
        }
    }
    let all = counted.tokens.iter().sum();
    for (a, b, count) in counted.pairs() {
        let len = vocabulary.text(a.into()).len() + vocabulary.text(b.into()).len();
        if len <= MAX_TEXT && is_text(a) && is_text(b) {
            let parts = costs[usize::from(a)] + costs[usize::from(b)];
            add(count, parts.saturating_sub(cost::of_count(count, all)), len, Candidate::Pair(a, b));
        }
    }
    for &(i, count) in wholes {
        let text = sample.strings.get(i as usize);
        // Those that are a token already are candidates as such.
        if let Some(parts) = parser.cost_of_parts(text, scratch) {
            let count = count * part / sample.training_bytes.max(1);
            add(count, parts.saturating_sub(cost::of_count(count, all)), text.len(), Candidate::Whole(i));
        }
    }
    // By number where the gains are equal: the order of `found` is always the same, and the sort is stable.
    found.sort_by_key(|&(gain, _)| std::cmp::Reverse(gain));
    found
}

/// A vocabulary of the best `most` candidates.
fn select(
    sample: &Sample<'_>,
    vocabulary: &Vocabulary,
    found: Vec<(i64, Candidate)>,
    most: usize,
) -> Vocabulary {
    let mut next = Vocabulary::new();
    let mut seen: HashSet<(Vec<u8>, bool)> = HashSet::new();
    for (_, candidate) in found {
        if next.len() - LEARNT == most {
            break;
        }
        let (text, ends) = match candidate {
            Candidate::Token(token) => {
                (vocabulary.text(token.into()).to_vec(), vocabulary.ends(token.into()))
            }
            Candidate::Pair(a, b) => {
                ([vocabulary.text(a.into()), vocabulary.text(b.into())].concat(), vocabulary.ends(b.into()))
            }
            Candidate::Whole(i) => (sample.strings.get(i as usize).to_vec(), true),
        };
        if next.text_bytes() + text.len() <= MAX_TEXTS && seen.insert((text.clone(), ends)) {
            next.push(&text, ends);
        }
    }
    next
}
