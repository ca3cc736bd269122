//! Every cell, and its records in the order of the slots: R15, R16, V4 to V8, V10, V11.

use crate::{
    coded::Codes,
    error::Error,
    findings::Findings,
    read::{ReadAt, Window},
    records::{Records, SharedRecords},
};
use hashlith_feedback::Progress;
use hashlith_format::{CELL_LEN, CellView, Head, Header, KeyHash, cell::shared_start};
use std::ops::Range;

/// The bytes of a cell in the file.
type Cell = [u8; CELL_LEN as usize];

/// How many bytes of the next cell are looked at: its first id and its pool start.
const LINK: u64 = 12;
/// Where the body of a cell begins.
const BODY: usize = 20;
/// Where the zeros of a far cell begin.
const FAR_SPARE: usize = 26;
/// Where the zeros of an empty cell begin.
const EMPTY_SPARE: usize = 12;
/// How many bytes behind the body a read of a slot entry may touch.
const READ: usize = 8;
/// How many bytes of the far section are read at once: few, because few cells of a task are far.
const FAR_AHEAD: u64 = 16 << 10;

/// The sums over a range of cells.
#[derive(Clone, Copy, Default)]
pub(crate) struct Totals {
    pub(crate) keys: u64,
    /// Bytes of all far bodies.
    pub(crate) far_len: u64,
    far: Option<FarRun>,
}

/// The far bodies of a range.
#[derive(Clone, Copy)]
struct FarRun {
    /// Where the first one begins, from the beginning of the far section.
    start: u64,
    /// Where its cell lies, from the beginning of the file.
    cell: u64,
    /// Where the last one ends.
    end: u64,
}

impl Totals {
    fn of(head: &Head, at: u64, fingerprint_bits: u32) -> Self {
        let len = head.geometry().body_len(u32::from(head.width) + fingerprint_bits);
        Totals {
            keys: u64::from(head.keys),
            far_len: head.far.map_or(0, |_| len),
            far: head.far.map(|start| FarRun { start, cell: at, end: start + len }),
        }
    }

    /// Adds the cells that follow. Their first far body must begin where the last one before them ends (V10).
    pub(crate) fn join(&mut self, next: &Totals, findings: &Findings) {
        self.keys = self.keys.saturating_add(next.keys);
        self.far_len = self.far_len.saturating_add(next.far_len);
        self.far = match (self.far, next.far) {
            (Some(before), Some(after)) => {
                if before.end != after.start {
                    findings.report(Self::misplaced(&after));
                }
                Some(FarRun { end: after.end, ..before })
            }
            (before, after) => before.or(after),
        };
    }

    /// Checks the sums over all cells (V11), and where the first far body begins (V10).
    pub(crate) fn check(&self, header: &Header, findings: &Findings) {
        if self.keys != header.keys {
            findings.report(Error::verifier(
                11,
                40,
                "the cells have more or fewer keys than the header says",
            ));
        }
        if self.far_len != header.sections.far.len {
            let what = "the far section is not as long as the bodies of the far cells";
            findings.report(Error::verifier(11, 128, what));
        }
        if let Some(first) = self.far.filter(|far| far.start != 0) {
            findings.report(Self::misplaced(&first));
        }
    }

    fn misplaced(far: &FarRun) -> Error {
        Error::verifier(10, far.cell, "a far body does not begin where the one before ends")
    }
}

/// Checks cells, on one thread.
pub(crate) struct CellChecker<'a, R: ?Sized> {
    header: &'a Header,
    findings: &'a Findings,
    cells: Window<'a, R>,
    far: Window<'a, R>,
    records: Records<'a, R>,
    /// The records, if keys share them.
    shared: Option<&'a SharedRecords>,
    /// The body of the cell, and [`READ`] zeros.
    body: Vec<u8>,
}

impl<'a, R: ReadAt + ?Sized> CellChecker<'a, R> {
    pub(crate) fn new(
        file: &'a R,
        header: &'a Header,
        codes: &'a Codes,
        shared: Option<&'a SharedRecords>,
        findings: &'a Findings,
        progress: &'a Progress,
    ) -> Self {
        let window = || Window::new(file, progress);
        let records = Records::new(window(), header, codes);
        CellChecker { header, findings, cells: window(), far: window(), records, shared, body: Vec::new() }
    }

    /// Checks the cells with these numbers, each together with the first bytes of the next cell. Faults are reported to the
    /// findings. Records are read ahead up to `records_end`, where the records of these cells should end, in bytes from
    /// the beginning of the file.
    ///
    /// # Errors
    /// A cell cannot be read.
    pub(crate) fn check(&mut self, numbers: Range<u64>, records_end: u64) -> Result<Totals, Error> {
        self.records.read_ahead_to(records_end);
        let hot = self.header.sections.hot;
        let ahead = hot.end().min(hot.offset + numbers.end * CELL_LEN + LINK);
        let mut totals = Totals::default();
        for number in numbers {
            totals.join(&self.check_cell(number, ahead)?, self.findings);
        }
        Ok(totals)
    }

    fn check_cell(&mut self, number: u64, ahead: u64) -> Result<Totals, Error> {
        let sections = &self.header.sections;
        let at = sections.hot.offset + number * CELL_LEN;
        let is_last = number + 1 == self.header.cells;
        let len = if is_last { CELL_LEN } else { CELL_LEN + LINK };
        let (cell, link) = self.cells.get(at, len as usize, ahead)?.split_at(CELL_LEN as usize);
        let cell: Cell = cell.first_chunk().copied().unwrap_or([0; CELL_LEN as usize]);
        let mut next: Cell = [0; CELL_LEN as usize];
        next.iter_mut().zip(link).for_each(|(byte, &found)| *byte = found);
        let (head, next) = (Head::parse(&cell), Head::parse(&next));

        match self.shared {
            Some(_) if head.pool_start != shared_start(sections.pool.len) => {
                self.findings.report(Error::verifier(
                    4,
                    at,
                    "a cell does not begin in the middle of the pool",
                ));
            }
            None if number == 0 && head.pool_start != 0 => {
                self.findings.report(Error::verifier(4, at, "the first cell does not begin with the pool"));
            }
            _ => {}
        }
        if number == 0 && head.first_id != 0 {
            self.findings.report(Error::verifier(10, at, "the first cell does not begin at id 0"));
        }
        if !is_last && next.first_id != head.first_id + u64::from(head.keys) {
            let what = "the first id of a cell is not the number of keys before";
            self.findings.report(Error::verifier(10, at + CELL_LEN, what));
        }
        let totals = Totals::of(&head, at, self.header.fingerprint_bits);
        match CellView::new(&cell, at, self.header.fingerprint_bits, sections.far) {
            // A record's fault lies at the record, at its entry in the hot section, or behind that.
            Ok(_) if self.findings.others_settled(self.place(head.pool_start).min(sections.hot.offset)) => {}
            Ok(view) => {
                let end = if is_last { sections.pool.len } else { next.pool_start };
                let result = self.check_contents(number, at, &cell, &view, end);
                result.unwrap_or_else(|error| self.findings.report(error));
            }
            Err(fault) => self.findings.report(fault.into()),
        }
        Ok(totals)
    }

    /// A place in the pool, from the beginning of the file.
    fn place(&self, start: u64) -> u64 {
        self.header.sections.pool.offset + start
    }

    /// Checks what is in a cell, whose records must end at `end`, from the beginning of the pool.
    fn check_contents(
        &mut self,
        number: u64,
        at: u64,
        cell: &Cell,
        view: &CellView,
        end: u64,
    ) -> Result<(), Error> {
        self.load_body(cell, view)?;
        if let Some(what) = self.spare(cell, view) {
            self.findings.report(Error::verifier(7, at, what));
        }
        match self.shared {
            None => self.walk(number, view, self.place(end)),
            Some(starts) => self.check_places(at, view, starts),
        }
    }

    /// Checks that each entry of the cell at `at` leads to a record: V4.
    fn check_places(&self, at: u64, view: &CellView, starts: &SharedRecords) -> Result<(), Error> {
        let mut places = (0..view.head.keys).map(|slot| {
            let (_, delta) = view.split_entry(slot, self.body(view, view.entry_at(slot)));
            view.record_start(slot, delta)
        });
        if places.all(|place| starts.begins(place)) {
            Ok(())
        } else {
            Err(Error::verifier(4, at, "a slot leads to no record"))
        }
    }

    fn load_body(&mut self, cell: &Cell, view: &CellView) -> Result<(), Error> {
        let len = view.body_len() as usize;
        self.body.clear();
        if view.head.far.is_none() {
            self.body.extend(cell.iter().skip(BODY).take(len));
        } else {
            let ahead = self.header.sections.far.end().min(view.body + FAR_AHEAD);
            self.body.extend_from_slice(self.far.get(view.body, len, ahead)?);
        }
        self.body.resize(len + READ, 0);
        Ok(())
    }

    /// `N` bytes of the body, at a place from the beginning of the file.
    #[inline]
    fn body<const N: usize>(&self, view: &CellView, at: u64) -> [u8; N] {
        let start = (at - view.body) as usize;
        self.body.get(start..).and_then(<[u8]>::first_chunk).copied().unwrap_or([0; N])
    }

    /// What breaks V7: a byte or a bit that must be zero, or a far body that would fit into its cell.
    fn spare(&self, cell: &Cell, view: &CellView) -> Option<&'static str> {
        let head = &view.head;
        let len = view.body_len();
        let spare = match head.far {
            _ if head.keys == 0 => EMPTY_SPARE,
            Some(_) => FAR_SPARE,
            None => BODY + len as usize,
        };
        let bits = u64::from(head.keys) * u64::from(view.entry_bits());
        // Zeros follow the body.
        let [last] = self.body(view, view.body + head.geometry().buckets() + bits / 8);
        if cell.iter().skip(15).take(1).chain(cell.iter().skip(spare)).any(|&byte| byte != 0) {
            Some("a reserved byte of a cell is not zero")
        } else if last >> (bits % 8) != 0 {
            Some("an unused bit behind the slot entries of a cell is not zero")
        } else if head.far.is_some() && BODY as u64 + len <= CELL_LEN {
            Some("the body of a far cell would fit into it")
        } else {
            None
        }
    }

    /// Why a key with this hash does not find this slot (V5).
    #[inline]
    fn misplaced(
        &self,
        number: u64,
        view: &CellView,
        slot: u8,
        fingerprint: u64,
        hash: KeyHash,
        lo: u64,
    ) -> Option<&'static str> {
        if hash.part(self.header.parts) != self.header.part {
            return Some("a key is in a part that is not its own");
        }
        if hash.cell(self.header.parts, self.header.cells) != number {
            return Some("a key is in a cell that is not its own");
        }
        if view.fingerprint(&hash) != fingerprint {
            return Some("a slot does not have the fingerprint of its key");
        }
        let x = view.head.attempt.number(lo);
        let [pilot] = self.body(view, view.pilot_at(x));
        (view.head.geometry().slot(x, pilot) != slot).then_some("a key does not find its own slot")
    }

    /// Walks the records of cell `number`, which must end at `end`: R16, R19, V4, V5, V6, V8 and V14.
    ///
    /// The walk ends with the first fault.
    fn walk(&mut self, number: u64, view: &CellView, end: u64) -> Result<(), Error> {
        let pool_end = self.header.sections.pool.end();
        let mut at = self.place(view.head.pool_start);
        for slot in 0..view.head.keys {
            let (fingerprint, delta) = view.split_entry(slot, self.body(view, view.entry_at(slot)));
            if view.record_start(slot, delta) != at - self.header.sections.pool.offset {
                return Err(Error::verifier(4, at, "a slot has its record elsewhere"));
            }
            if at >= pool_end && !self.header.has_no_records() {
                return Err(Error::reader(
                    16,
                    view.entry_at(slot),
                    "a slot has its record outside of the pool",
                ));
            }
            let record = self.records.check(at, view.head.attempt.salt())?;
            if let Some((hash, lo)) = record.hash
                && let Some(what) = self.misplaced(number, view, slot, fingerprint, hash, lo)
            {
                return Err(Error::verifier(5, at, what));
            }
            if let Some(what) = record.wrong_type {
                return Err(Error::verifier(8, at, what));
            }
            at = record.end;
        }
        if at != end {
            let what = "the records of a cell do not end where those of the next begin";
            return Err(Error::verifier(4, at, what));
        }
        Ok(())
    }
}
