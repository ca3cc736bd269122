//! Finds all tokens that begin at each byte of a string.
//!
//! This is the automaton of Aho and Corasick over the tokens read backwards: it reads a string from its end to its beginning,
//! and its state at a byte says which tokens begin there. So it takes about two steps for each byte, however many tokens
//! begin there and however long they are. Its transitions are in a double array.

use super::{
    cost::{Cost, NEVER},
    vocabulary::{END, KEY, LEARNT, Vocabulary},
};
use std::collections::VecDeque;

/// No node, and no list.
const NONE: u32 = u32::MAX;
/// The list behind the last byte, where only the end begins.
pub const END_LIST: u32 = 0;
/// How many places are tried for the children of a node before the array grows.
const TRIES: usize = 64;

#[derive(Clone, Copy, Debug)]
#[repr(align(16))]
struct Node {
    /// The child for byte `b` is node `base ^ b`, if that has this node as its parent. A free node: the next one.
    base: u32,
    /// `NONE`: a root, or free.
    parent: u32,
    /// The next shorter state that has children. A free node: the one before.
    fail: u32,
    /// The list of the tokens that begin here, and in the top bit whether it is a leaf: nothing goes on from it that does not
    /// go on from `fail`. A free node: `NONE`.
    list: u32,
}

/// The flag of a leaf.
const LEAF: u32 = 1 << 31;

/// A token that begins at a byte.
#[derive(Clone, Copy, Debug)]
pub struct Match {
    pub cost: Cost,
    pub token: u16,
    /// Its bytes, and one more if it ends the string.
    pub len: u16,
}

/// The automaton over a vocabulary.
#[derive(Clone, Debug)]
pub struct Automaton {
    nodes: Vec<Node>,
    /// Lists of tokens that begin at the same byte, the longest first. The last one of each has a length of 1.
    matches: Vec<Match>,
}

/// A state: what was read, as far as it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct State(u32);

impl Automaton {
    /// The state in front of the last byte, if the end of the string is not to be read, or lies further on.
    pub const START: State = State(0);
    /// The state behind the last byte, when the end of the string is read.
    pub const ENDED: State = State(1);

    pub fn new(vocabulary: &Vocabulary) -> Self {
        Construction::new(vocabulary).run()
    }

    /// The state after one more byte, and the list of the tokens that begin there.
    #[inline(always)]
    pub fn step(&self, State(mut state): State, byte: u8) -> (State, u32) {
        loop {
            let node = &self.nodes[state as usize];
            let child = (node.base ^ u32::from(byte)) as usize;
            let next = &self.nodes[child];
            if next.parent == state {
                let state = if next.list & LEAF == 0 { child as u32 } else { next.fail };
                return (State(state), next.list & !LEAF);
            }
            // A root has a child for every byte.
            state = node.fail;
        }
    }

    /// Gives `take` the tokens of a list.
    #[inline(always)]
    pub fn each(&self, list: u32, mut take: impl FnMut(Match)) {
        for &found in &self.matches[list as usize..] {
            take(found);
            if found.len == 1 {
                break;
            }
        }
    }

    /// Changes the cost of every token.
    pub fn set_costs(&mut self, costs: &[Cost]) {
        self.matches.iter_mut().for_each(|found| found.cost = costs[usize::from(found.token)]);
    }
}

/// A node whose children are not placed yet: those of the sorted tokens `from..to` that are longer than `depth`.
struct Open {
    node: u32,
    from: usize,
    to: usize,
    depth: usize,
}

struct Construction<'a> {
    vocabulary: &'a Vocabulary,
    automaton: Automaton,
    /// Tokens that are text, by their bytes backwards; those that end a string behind the others.
    sorted: Vec<u16>,
    /// First of the free nodes.
    free: u32,
}

impl<'a> Construction<'a> {
    fn new(vocabulary: &'a Vocabulary) -> Self {
        let mut sorted: Vec<u16> =
            (0..vocabulary.len() as u16).filter(|token| !(KEY..LEARNT as u16).contains(token)).collect();
        let text = |token: u16| vocabulary.text(token.into());
        sorted.sort_unstable_by(|&a, &b| {
            let ends = |token: u16| vocabulary.ends(token.into());
            ends(a).cmp(&ends(b)).then_with(|| text(a).iter().rev().cmp(text(b).iter().rev()))
        });
        let end = Match { cost: NEVER, token: END, len: 1 };
        let automaton = Automaton { nodes: Vec::new(), matches: vec![end] };
        let mut construction = Construction { vocabulary, automaton, sorted, free: NONE };
        construction.grow();
        construction.take(Automaton::START.0, NONE, Automaton::START, END_LIST);
        construction.take(Automaton::ENDED.0, NONE, Automaton::START, END_LIST);
        construction
    }

    fn run(mut self) -> Automaton {
        let plain = self.sorted.partition_point(|&token| !self.vocabulary.ends(token.into()));
        let mut open = VecDeque::from([
            Open { node: Automaton::START.0, from: 0, to: plain, depth: 0 },
            // The first of them is the end alone.
            Open { node: Automaton::ENDED.0, from: plain + 1, to: self.sorted.len(), depth: 0 },
        ]);
        // By depth, so that shorter states are complete.
        while let Some(next) = open.pop_front() {
            self.add_children(&next, &mut open);
        }
        self.automaton
    }

    /// The byte of a sorted token behind the last `depth`.
    fn byte(&self, at: usize, depth: usize) -> u8 {
        let text = self.vocabulary.text(self.sorted[at].into());
        text[text.len() - 1 - depth]
    }

    fn add_children(&mut self, parent: &Open, open: &mut VecDeque<Open>) {
        let mut children: Vec<(u8, usize)> = Vec::new();
        for at in parent.from..parent.to {
            let byte = self.byte(at, parent.depth);
            if children.last().is_none_or(|&(last, _)| last != byte) {
                children.push((byte, at));
            }
        }
        if children.is_empty() {
            return;
        }
        let base = self.place(&children);
        self.automaton.nodes[parent.node as usize].base = base;
        let ends = children.iter().skip(1).map(|&(_, at)| at).chain([parent.to]);
        for (&(byte, from), to) in children.iter().zip(ends) {
            let node = base ^ u32::from(byte);
            let is_first = parent.node == Automaton::START.0;
            let (fail, shorter) =
                if is_first { (Automaton::START, NONE) } else { self.fail_of(parent.node, byte) };
            let token = self.sorted[from];
            let is_token = self.vocabulary.text(token.into()).len() == parent.depth + 1;
            let from = from + usize::from(is_token);
            let list = if is_token { self.add_list(token, shorter) } else { shorter };
            self.take(node, parent.node, fail, if from < to { list } else { list | LEAF });
            if from < to {
                open.push_back(Open { node, from, to, depth: parent.depth + 1 });
            }
        }
    }

    /// A list of `token` and those of the list `shorter`.
    fn add_list(&mut self, token: u16, shorter: u32) -> u32 {
        let matches = &mut self.automaton.matches;
        let list = matches.len();
        let len = self.vocabulary.len_of(token.into());
        matches.push(Match { cost: NEVER, token, len });
        let mut next = shorter as usize;
        while matches[matches.len() - 1].len > 1 {
            matches.push(matches[next]);
            next += 1;
        }
        list as u32
    }

    /// The state that a child of `parent` fails to, and the list there.
    fn fail_of(&self, parent: u32, byte: u8) -> (State, u32) {
        self.automaton.step(State(self.automaton.nodes[parent as usize].fail), byte)
    }

    /// A base with free places for all children.
    fn place(&mut self, children: &[(u8, usize)]) -> u32 {
        let first = u32::from(children[0].0);
        let mut place = self.free;
        for _ in 0..TRIES {
            if place == NONE {
                break;
            }
            let base = place ^ first;
            if children.iter().all(|&(byte, _)| self.is_free(base ^ u32::from(byte))) {
                return base;
            }
            place = self.automaton.nodes[place as usize].base;
        }
        self.grow()
    }

    fn is_free(&self, node: u32) -> bool {
        self.automaton.nodes[node as usize].list == NONE
    }

    /// Adds 256 free nodes, in front of the others; returns the first one.
    fn grow(&mut self) -> u32 {
        let from = self.automaton.nodes.len() as u32;
        let to = from + 256;
        for node in from..to {
            let next = if node + 1 < to { node + 1 } else { self.free };
            let before = if node > from { node - 1 } else { NONE };
            self.automaton.nodes.push(Node { base: next, parent: NONE, fail: before, list: NONE });
        }
        if self.free != NONE {
            self.automaton.nodes[self.free as usize].fail = to - 1;
        }
        self.free = from;
        from
    }

    /// Uses a free node.
    fn take(&mut self, node: u32, parent: u32, State(fail): State, list: u32) {
        let Node { base: next, fail: before, .. } = self.automaton.nodes[node as usize];
        if before == NONE {
            self.free = next;
        } else {
            self.automaton.nodes[before as usize].base = next;
        }
        if next != NONE {
            self.automaton.nodes[next as usize].fail = before;
        }
        self.automaton.nodes[node as usize] = Node { base: 0, parent, fail, list };
    }
}
