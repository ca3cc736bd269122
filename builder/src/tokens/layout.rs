//! Which tokens each table has, and their codes.

use super::{
    classes::{self, Code},
    cost::{self, Cost, NEVER},
    learn::{Learnt, gain},
    parse::{Parser, Scratch},
    sample::Sample,
    vocabulary::{END, Vocabulary},
};
use hashlith_format::tokens::{CLASSES, Token, write_table};
use std::cmp::Reverse;

/// How often the sample is parsed to find the tokens of each table, with costs as their frequency says.
const FREE_ROUNDS: usize = 3;
/// And with costs as codes have them.
const CODED_ROUNDS: usize = 2;

/// A table.
pub struct Table {
    index_bits: [u8; CLASSES],
    /// Its tokens in order.
    tokens: Vec<u16>,
    /// The code of each token of the vocabulary.
    pub codes: Vec<Code>,
}

impl Table {
    /// Gives codes to the tokens of `kept`, by how often they occur.
    fn new(counts: &[u64], kept: impl Fn(usize) -> bool) -> Self {
        let mut tokens: Vec<u16> =
            (0..counts.len()).filter(|&token| kept(token)).map(|token| token as u16).collect();
        tokens.sort_by_key(|&token| (Reverse(counts[usize::from(token)]), token));
        let ordered: Vec<u64> = tokens.iter().map(|&token| counts[usize::from(token)]).collect();
        let index_bits = classes::best(&ordered);
        let mut codes = vec![Code::default(); counts.len()];
        for (&token, code) in tokens.iter().zip(classes::codes(&index_bits, tokens.len())) {
            codes[usize::from(token)] = code;
        }
        Table { index_bits, tokens, codes }
    }

    fn costs(&self) -> Vec<Cost> {
        self.codes.iter().map(|code| if code.bits == 0 { NEVER } else { code.cost() }).collect()
    }
}

/// The tables of a side.
pub struct Layout {
    pub vocabulary: Vocabulary,
    pub tables: Vec<Table>,
    pub parser: Parser,
}

impl Layout {
    /// Tables for the first tokens of a string, one for each up to `count - 1`, and one for all others. Reads every `step`th
    /// string of the sample.
    pub fn new(
        sample: &Sample<'_>,
        learnt: &Learnt,
        count: usize,
        step: usize,
        scratch: &mut Scratch,
    ) -> Self {
        let vocabulary = &learnt.vocabulary;
        let mut costs = vec![learnt.costs.clone(); count];
        let mut parser = Parser::new(vocabulary, &costs);
        let mut tables = Vec::new();
        for round in 0..FREE_ROUNDS + CODED_ROUNDS {
            let mut counts = vec![vec![0u64; vocabulary.len()]; count];
            let mut part = 0;
            for i in sample.training(step, 0) {
                part += sample.strings.get(i).len() as u64 + 1;
                sample.parse(i, &parser, scratch, &mut |table, token| counts[table][usize::from(token)] += 1);
            }
            tables = (0..count)
                .map(|table| {
                    let counts = &counts[table];
                    let kept = |token: usize| {
                        let len = vocabulary.text(token).len();
                        token <= usize::from(END)
                            || counts[token] > 0
                                && gain(sample, part, counts[token], learnt.savings[token], len) > 0
                    };
                    if round < FREE_ROUNDS {
                        let all = counts.iter().map(|count| count + 1).sum();
                        costs[table] = (0..counts.len())
                            .map(|token| if kept(token) { cost::of_count(counts[token], all) } else { NEVER })
                            .collect();
                    }
                    Table::new(counts, kept)
                })
                .collect();
            if round + 1 >= FREE_ROUNDS {
                costs = tables.iter().map(Table::costs).collect();
            }
            parser = parser.priced(&costs);
        }
        Layout { vocabulary: vocabulary.clone(), tables, parser }
    }

    /// The bytes of the tables.
    pub fn write(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for table in &self.tables {
            let tokens: Vec<Token<'_>> =
                table.tokens.iter().map(|&token| self.vocabulary.token(token.into())).collect();
            write_table(&table.index_bits, &tokens, &mut bytes).expect("classes hold the tokens");
        }
        bytes
    }

    /// The same without the tokens that no table has.
    pub fn packed(&self) -> Self {
        let used = |token: usize| {
            token < super::vocabulary::LEARNT || self.tables.iter().any(|table| table.codes[token].bits > 0)
        };
        let old: Vec<usize> = (0..self.vocabulary.len()).filter(|&token| used(token)).collect();
        let mut vocabulary = Vocabulary::new();
        for &token in &old[super::vocabulary::LEARNT..] {
            vocabulary.push(self.vocabulary.text(token), self.vocabulary.ends(token));
        }
        let tables: Vec<Table> = self
            .tables
            .iter()
            .map(|table| Table {
                index_bits: table.index_bits,
                tokens: table
                    .tokens
                    .iter()
                    .map(|&token| old.partition_point(|&other| other < usize::from(token)) as u16)
                    .collect(),
                codes: old.iter().map(|&token| table.codes[token]).collect(),
            })
            .collect();
        let costs: Vec<Vec<Cost>> = tables.iter().map(Table::costs).collect();
        let parser = Parser::new(&vocabulary, &costs);
        Layout { vocabulary, tables, parser }
    }
}
