//! Building from Python objects: `hashlith.Builder`, which `hashlith.build` uses.
//!
//! Records are copied out of their objects into a batch, and batches go to the builder with the GIL released. Python code
//! (iterators, callbacks, JSON) never runs while the lock is held.

use crate::{
    arena::Arena,
    batch::{Encoder, is_full, push_record},
    building::Building,
    column::Column,
    errors, files,
    handle::Index,
    pairs::Items,
    paths::AnyPath,
    progress::{Listener, Ticker, supervise},
    settings::Keywords,
    table::{self, Table},
};
use hashlith::{BuildReport, KeyType, Progress, ValueType, builder::Error};
use pyo3::{
    exceptions::{PyTypeError, PyValueError},
    prelude::*,
    sync::MutexExt,
    types::PyDict,
};
use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Instant,
};

/// Faults of a row of a column.
const NULL: &str = "null: leave such rows out first";
const NOT_UTF8: &str = "not valid UTF-8: cast the column to binary to keep any bytes";

/// Builds an index from records that are added one by one or in batches.
#[pyclass(frozen, subclass, module = "hashlith._native")]
pub struct Builder {
    output: PathBuf,
    began: Instant,
    encoder: Encoder,
    /// Records so far, for the numbers in messages.
    records: AtomicU64,
    /// How many records the caller has announced.
    expected: AtomicU64,
    progress: Arc<Progress>,
    listener: Listener,
    state: Mutex<State>,
}

enum State {
    Open(Box<Building>),
    /// Why nothing more can be added.
    Ended(&'static str),
}

impl Builder {
    fn lock<'a>(&'a self, py: Python<'_>) -> MutexGuard<'a, State> {
        self.state.lock_py_attached(py).unwrap_or_else(PoisonError::into_inner)
    }

    fn error(&self, py: Python<'_>, error: Error) -> PyErr {
        let keys = self.encoder.types().0;
        let place = |from: &hashlith::builder::Origin| format!("record {}", from.position);
        errors::of_build(py, hashlith::Error::of_build(error, keys, place), keys)
    }

    /// Hands over a batch, after earlier records.
    fn feed(&self, py: Python<'_>, batch: &mut Arena) -> PyResult<()> {
        let mut state = self.lock(py);
        let State::Open(building) = &mut *state else { return Err(ended(&state)) };
        let done = py.detach(|| {
            building.flush(self.encoder.types())?;
            building.add_all(self.encoder.types(), batch)
        });
        done.map_err(|error| {
            *state = State::Ended("the build has failed: nothing more can be added");
            self.error(py, error)
        })
    }

    fn add_items(&self, records: &Bound<'_, PyAny>, items: Items) -> PyResult<()> {
        let py = records.py();
        let (mut batch, mut ticker) = (Arena::default(), Ticker::new());
        for item in records.try_iter()? {
            let number = self.records.load(Relaxed) + 1;
            if let Err(error) = item.and_then(|item| self.encoder.push_item(&item, items, number, &mut batch))
            {
                // As with `dict.update`, the records before it are in.
                self.feed(py, &mut batch)?;
                return Err(error);
            }
            self.records.fetch_add(1, Relaxed);
            if is_full(&batch) {
                self.feed(py, &mut batch)?;
                ticker.tick(py, &self.listener)?;
            }
        }
        self.feed(py, &mut batch)
    }

    /// Adds two Arrow columns, row by row.
    fn add_columns(&self, py: Python<'_>, keys: &Column, values: &Column) -> PyResult<()> {
        self.encoder.check_columns(keys, values)?;
        // Strings are checked where they are to be text, and integers are widened.
        let (key_type, value_type) = self.encoder.types();
        let text = [keys.is_text() && key_type == KeyType::Text, values.is_text() && value_type.is_text()];
        let no_values = value_type == ValueType::None;
        let (mut batch, mut ticker) = (Arena::default(), Ticker::new());
        for pair in keys.rows().zip(values.rows()) {
            let (what, why) = match pair {
                (Ok(Some(key)), value) if no_values || matches!(value, Ok(Some(_))) => {
                    let value = if no_values { &[] } else { value.ok().flatten().unwrap_or_default() };
                    push_record(&mut batch, key, value)?;
                    if is_full(&batch) {
                        self.feed_rows(py, &mut batch, text)?;
                        ticker.tick(py, &self.listener)?;
                    }
                    continue;
                }
                (Ok(None), _) => ("key", NULL),
                (_, Ok(None)) => ("value", NULL),
                (Err(fault), _) => ("key", fault.what),
                (_, Err(fault)) => ("value", fault.what),
                // Not reached: such a row was taken.
                (_, Ok(Some(_))) => ("value", NULL),
            };
            // As with pairs, the rows before it are in.
            self.feed_rows(py, &mut batch, text)?;
            return Err(self.bad_row(py, what, why));
        }
        self.feed_rows(py, &mut batch, text)
    }

    fn must_be_open(&self, py: Python<'_>) -> PyResult<()> {
        let ended = || PyValueError::new_err("the build has ended: nothing more can be added");
        self.is_open(py).then_some(()).ok_or_else(ended)
    }

    /// Hands over a batch of checked records, and counts them.
    fn feed_all(&self, py: Python<'_>, batch: &mut Arena) -> PyResult<()> {
        let records = batch.len() as u64 / 2;
        self.feed(py, batch)?;
        self.records.fetch_add(records, Relaxed);
        Ok(())
    }

    /// Hands over rows of columns, up to the first one that has to be text and is not UTF-8. Arrow strings should be, but the
    /// library that made them may not have checked.
    fn feed_rows(&self, py: Python<'_>, batch: &mut Arena, text: [bool; 2]) -> PyResult<()> {
        let bad = py.detach(|| batch.first_not_utf8(text));
        let parts = bad.map_or(batch.len(), |part| part / 2 * 2);
        batch.truncate(parts);
        self.feed_all(py, batch)?;
        match bad {
            Some(part) => Err(self.bad_row(py, if part % 2 == 0 { "key" } else { "value" }, NOT_UTF8)),
            None => Ok(()),
        }
    }

    /// The error for a row of a column, which is the next record.
    #[cold]
    fn bad_row(&self, py: Python<'_>, what: &str, why: &str) -> PyErr {
        let number = self.records.load(Relaxed) + 1;
        errors::input_error(py, &format!("the {what} of record {number} is {why}"))
    }

    fn abort_with(&self, py: Python<'_>, why: &'static str) {
        let mut state = self.lock(py);
        if let State::Open(_) = &*state {
            *state = State::Ended(why);
        }
    }
}

#[cold]
fn ended(state: &State) -> PyErr {
    PyValueError::new_err(match state {
        State::Ended(why) => why,
        State::Open(_) => "the builder is open",
    })
}

#[pymethods]
impl Builder {
    #[new]
    #[pyo3(signature = (path, **options))]
    fn new(py: Python<'_>, path: AnyPath, options: Option<&Bound<'_, PyDict>>) -> PyResult<Self> {
        let began = Instant::now();
        let keywords = Keywords::new(py, options)?;
        let json_keys = keywords.has_json_keys()?;
        let (keys, values) = keywords.types()?;
        let keys = if json_keys { Some(KeyType::Text) } else { keys };
        let builder = keywords.builder()?;
        let progress = keywords.object("progress")?;
        keywords.end()?;
        let output = errors::absolute(&path)?;
        let mut builder =
            builder.key_type(keys.unwrap_or(KeyType::Text)).value_type(values.unwrap_or(ValueType::Text));
        let failed = |error: Error| errors::from_error(py, error);
        builder.preflight(&output).map_err(failed)?;
        let job = builder.progress_handle();
        let building = Building { builder, feeder: None, pending: Arena::default() };
        Ok(Builder {
            output,
            began,
            encoder: Encoder::new(keys, values, json_keys),
            records: AtomicU64::new(0),
            expected: AtomicU64::new(0),
            listener: Listener::new(progress.as_ref(), Arc::clone(&job))?,
            progress: job,
            state: Mutex::new(State::Open(Box::new(building))),
        })
    }

    /// Adds a record.
    #[pyo3(signature = (key, value, /))]
    fn add(&self, key: &Bound<'_, PyAny>, value: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = key.py();
        let mut record = Arena::default();
        self.encoder.push(key, value, &mut record)?;
        let full = {
            let mut state = self.lock(py);
            let State::Open(building) = &mut *state else { return Err(ended(&state)) };
            let mut parts = record.iter();
            if let (Some(key), Some(value)) = (parts.next(), parts.next()) {
                push_record(&mut building.pending, key, value)?;
            }
            is_full(&building.pending)
        };
        self.records.fetch_add(1, Relaxed);
        if full {
            self.feed(py, &mut Arena::default())?;
            py.check_signals()?;
            self.listener.tell(py)?;
        }
        Ok(())
    }

    /// Adds many records: a mapping, an iterable of pairs, or separate keys and values, as two iterables of the same
    /// length or as two Arrow columns. Without values, also a set or another iterable of keys, or one Arrow column.
    #[pyo3(signature = (records, values = None, /))]
    fn add_many(&self, records: &Bound<'_, PyAny>, values: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
        let py = records.py();
        self.must_be_open(py)?;
        if let Ok(length) = records.len() {
            // What a length says may be anything.
            let more = |expected: u64| Some(expected.saturating_add(length as u64));
            let before = self.expected.fetch_update(Relaxed, Relaxed, more).unwrap_or_else(|before| before);
            let expected = before.saturating_add(length as u64);
            self.progress.set_total(Some(expected).filter(|&expected| expected > 0));
        }
        if records.cast::<Index>().is_ok_and(|index| index.get().keys == KeyType::None) {
            let message = "the keys of this index are left out: it cannot be built again from its records";
            return Err(PyTypeError::new_err(message));
        }
        let Some(values) = values else {
            if self.encoder.values.get() == Some(&ValueType::None)
                && let Some(keys) = Column::any(records)?
            {
                let keys = keys.into_keys()?;
                return self.add_columns(py, &keys, &keys);
            }
            let no_values = self.encoder.values.get() == Some(&ValueType::None);
            return match records.getattr_opt("items")? {
                // A series of pandas 2, of which `items` gives the labels too.
                Some(_) if no_values && records.hasattr("to_numpy")? => self.add_items(records, Items::Keys),
                Some(items) => self.add_items(&items.call0()?, Items::Pairs),
                None => self.add_items(records, Items::of(records, &self.encoder)?),
            };
        };
        match (Column::any(records)?, Column::any(values)?) {
            (Some(keys), Some(values)) => self.add_columns(py, &keys.into_keys()?, &values),
            (None, None) => {
                let strict = PyDict::new(py);
                strict.set_item("strict", true)?;
                let zip = py.import("builtins")?.getattr("zip")?;
                self.add_items(&zip.call((records, values), Some(&strict))?, Items::Pairs)
            }
            _ => Err(PyTypeError::new_err("keys and values must both be Arrow columns, or neither of them")),
        }
    }

    /// Adds the rows of a table: an object with `__arrow_c_stream__`.
    #[pyo3(signature = (table, key, value = None, /))]
    fn add_table(
        &self,
        table: &Bound<'_, PyAny>,
        key: &Bound<'_, PyAny>,
        value: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let py = table.py();
        self.must_be_open(py)?;
        let mut table = Table::new(table, key, value, &self.encoder)?;
        let (mut batch, mut ticker) = (Arena::default(), Ticker::new());
        while let Some(columns) = table.next()? {
            let each = |row, record: Result<(&[u8], &[u8]), _>| {
                let (key, value) = record.or_else(|why| {
                    // As with pairs, the rows before it are in.
                    self.feed_all(py, &mut batch)?;
                    Err(table::bad_row(py, self.records.load(Relaxed) + 1, row, &why))
                })?;
                push_record(&mut batch, key, value)?;
                if is_full(&batch) {
                    self.feed_all(py, &mut batch)?;
                    ticker.tick(py, &self.listener)?;
                }
                Ok::<(), PyErr>(())
            };
            table.rows(&columns, each)?;
        }
        self.feed_all(py, &mut batch)
    }

    /// Builds the index, puts it at its path in one step, and returns a report.
    fn finish<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let building = {
            let mut state = self.lock(py);
            if !matches!(&*state, State::Open(_)) {
                return Err(ended(&state));
            }
            match std::mem::replace(
                &mut *state,
                State::Ended("the build is finished: nothing more can be added"),
            ) {
                State::Open(building) => *building,
                State::Ended(_) => return Err(ended(&state)),
            }
        };
        let types = self.encoder.types();
        let mut building = building;
        let work = || {
            building.flush(types)?;
            if let Some(feeder) = building.feeder.take() {
                feeder.finish()?;
            }
            building.builder.finish(&self.output)
        };
        let built = supervise(py, &self.listener, &self.progress, work)?;
        let report = BuildReport {
            output: self.output.clone(),
            built: built.map_err(|error| self.error(py, error))?,
            input_bytes: 0,
            skipped: 0,
            first_skipped: Vec::new(),
            notes: Vec::new(),
            took: self.began.elapsed(),
        };
        files::report(py, &report)
    }

    /// Gives up the build. Leaves the file at the path unchanged, and no temporary file.
    fn abort(&self, py: Python<'_>) {
        self.abort_with(py, "the build was given up: nothing more can be added");
    }

    /// True until finish() or abort(), or until an error ends the build.
    #[getter]
    fn is_open(&self, py: Python<'_>) -> bool {
        matches!(&*self.lock(py), State::Open(_))
    }
}
