//! Building from Python objects: `hashlith.Builder`, on which `hashlith.build` stands.
//!
//! Records are copied out of their objects into a batch, and batches go to the builder with the GIL let go. Python code
//! (iterators, callbacks, JSON) never runs while the lock is held.

use crate::arena::Arena;
use crate::arrow::Column;
use crate::kinds::{bytes_of, is_text, type_name};
use crate::progress::{Listener, Ticker, supervise};
use crate::settings::Keywords;
use crate::{errors, files};
use hashlith_builder::{Feeder, KeyType, Place, Progress, ValueType};
use hashlith_cli::building::{after_feeding, builder_failure, output_dir};
use hashlith_cli::meter::{Snapshot, Unit};
use hashlith_inputs::{KeyKind, ValueKind};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::sync::MutexExt;
use pyo3::types::{PyBytes, PyDict, PyList, PyString, PyTuple};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;

/// A batch is handed over when it has this many records or bytes.
const BATCH_RECORDS: usize = 4096;
const BATCH_BYTES: usize = 1 << 18;

/// What is wrong with a row of a column.
const NULL: &str = "null: leave such rows out first";
const NOT_UTF8: &str = "not valid UTF-8: cast the column to binary to keep any bytes";

/// Builds an index out of records that come one by one or in batches.
#[pyclass(frozen, subclass, module = "hashlith._native")]
pub struct Builder {
    output: PathBuf,
    began: Instant,
    /// What keys and values are, by the keyword or by the first of them.
    keys: OnceLock<KeyKind>,
    values: OnceLock<ValueKind>,
    /// Makes JSON of a value.
    encode: OnceLock<Py<PyAny>>,
    counts: Arc<Counts>,
    listener: Listener,
    state: Mutex<State>,
}

#[derive(Default)]
struct Counts {
    /// Records that have come.
    records: AtomicU64,
    /// How many will come, as far as anybody said.
    expected: AtomicU64,
}

enum State {
    Open(Box<Building>),
    /// Why nothing more can be added.
    Ended(&'static str),
}

struct Building {
    builder: hashlith_builder::Builder,
    feeder: Feeder,
    /// Keys and values of records that came one by one, in turn.
    pending: Arena,
}

impl Builder {
    fn lock<'a>(&'a self, py: Python<'_>) -> MutexGuard<'a, State> {
        self.state.lock_py_attached(py).unwrap_or_else(PoisonError::into_inner)
    }

    fn failure(&self, py: Python<'_>, error: &hashlith_builder::Error) -> PyErr {
        let place = |place: &Place| format!("record {}", place.position);
        let keys = self.keys.get().copied().unwrap_or_default();
        errors::build_failure(py, builder_failure(error, &place), keys)
    }

    /// Appends a record to a batch, or nothing at all.
    fn push(&self, key: &Bound<'_, PyAny>, value: &Bound<'_, PyAny>, batch: &mut Arena) -> PyResult<()> {
        let kind = self.keys.get().copied().or_else(|| {
            let kind = if is_text(key)? { KeyKind::Text } else { KeyKind::Bytes };
            Some(*self.keys.get_or_init(|| kind))
        });
        let key_bytes = match kind {
            Some(kind) => bytes_of(key, kind == KeyKind::Text)?,
            None => None,
        };
        let key_bytes = key_bytes.ok_or_else(|| wrong_key(key, kind.map(|kind| kind.to_string())))?;

        let kind = self.values.get().copied().or_else(|| {
            let kind = if is_text(value)? { ValueKind::Text } else { ValueKind::Bytes };
            Some(*self.values.get_or_init(|| kind))
        });
        let encoded;
        let value_bytes = match kind {
            Some(ValueKind::Json) => {
                encoded = self.encode(key, value)?;
                bytes_of(&encoded, true)?
            }
            Some(kind) => bytes_of(value, kind == ValueKind::Text)?,
            None => None,
        };
        let value_bytes =
            value_bytes.ok_or_else(|| wrong_value(key, value, kind.map(|kind| kind.to_string())))?;
        batch.push(key_bytes);
        batch.push(value_bytes);
        Ok(())
    }

    /// A value as JSON text.
    fn encode<'py>(&self, key: &Bound<'py, PyAny>, value: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let py = key.py();
        let encode = match self.encode.get() {
            Some(encode) => encode,
            None => {
                let keywords = PyDict::new(py);
                keywords.set_item("ensure_ascii", false)?;
                keywords.set_item("separators", (",", ":"))?;
                keywords.set_item("allow_nan", false)?;
                let encoder = py.import("json")?.getattr("JSONEncoder")?.call((), Some(&keywords))?;
                let encode = encoder.getattr("encode")?.unbind();
                self.encode.get_or_init(|| encode)
            }
        };
        encode.bind(py).call1((value,)).map_err(|error| {
            let message = format!("the value of key {}: {}", shown(key), error.value(py));
            match error.is_instance_of::<PyTypeError>(py) {
                true => PyTypeError::new_err(message),
                false if error.is_instance_of::<PyValueError>(py) => errors::input_error(py, &message),
                false => error,
            }
        })
    }

    /// Hands a batch over, after the records that came before.
    fn feed(&self, py: Python<'_>, batch: &mut Arena) -> PyResult<()> {
        let mut state = self.lock(py);
        let State::Open(building) = &mut *state else { return Err(ended(&state)) };
        let done = py.detach(|| {
            building.flush()?;
            add_all(&mut building.feeder, batch)
        });
        done.map_err(|error| {
            *state = State::Ended("the build has failed: nothing more can be added");
            self.failure(py, &error)
        })
    }

    fn add_pairs(&self, pairs: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = pairs.py();
        let (mut batch, mut ticker) = (Arena::default(), Ticker::new());
        for pair in pairs.try_iter()? {
            if let Err(error) = pair.and_then(|pair| self.push_pair(&pair, &mut batch)) {
                // As with `dict.update`, what came before is in.
                self.feed(py, &mut batch)?;
                return Err(error);
            }
            self.counts.records.fetch_add(1, Relaxed);
            if is_full(&batch) {
                self.feed(py, &mut batch)?;
                ticker.tick(py, &self.listener)?;
            }
        }
        self.feed(py, &mut batch)
    }

    fn push_pair(&self, pair: &Bound<'_, PyAny>, batch: &mut Arena) -> PyResult<()> {
        if let Ok(pair) = pair.cast::<PyTuple>()
            && pair.len() == 2
        {
            let (key, value) = (pair.get_borrowed_item(0)?, pair.get_borrowed_item(1)?);
            return self.push(&key, &value, batch);
        }
        if let Ok(pair) = pair.cast::<PyList>()
            && pair.len() == 2
        {
            return self.push(&pair.get_item(0)?, &pair.get_item(1)?, batch);
        }
        let number = self.counts.records.load(Relaxed) + 1;
        let length = match pair.len() {
            Ok(length) if !pair.is_instance_of::<PyString>() && !pair.is_instance_of::<PyBytes>() => {
                format!(" of length {length}")
            }
            _ => String::new(),
        };
        let message = format!(
            "record {number} is no pair: (key, value) is needed, not {}{length}; a dict goes in as it is",
            type_name(pair)
        );
        Err(errors::input_error(pair.py(), &message))
    }

    /// Adds two Arrow columns, row by row.
    fn add_columns(&self, py: Python<'_>, keys: &Column, values: &Column) -> PyResult<()> {
        if keys.len() != values.len() {
            let (keys, values) = (keys.len(), values.len());
            return Err(PyValueError::new_err(format!(
                "{keys} keys and {values} values: as many of each are needed"
            )));
        }
        if keys.len() == 0 {
            return Ok(());
        }
        let key_kind = if keys.is_text() { KeyKind::Text } else { KeyKind::Bytes };
        let value_kind = if values.is_text() { ValueKind::Text } else { ValueKind::Bytes };
        if *self.keys.get_or_init(|| key_kind) != key_kind
            || *self.values.get_or_init(|| value_kind) != value_kind
        {
            return Err(PyTypeError::new_err(
                "the columns are of other types than the keys and values of this index: text needs strings, bytes \
                 need binary, and JSON values come as Python objects only",
            ));
        }
        let (mut batch, mut ticker) = (Arena::default(), Ticker::new());
        let not_utf8 = |column: &Column| if column.is_text() { column.first_not_utf8() } else { None };
        let (bad_key, bad_value) = py.detach(|| (not_utf8(keys), not_utf8(values)));
        for (row, pair) in keys.rows().zip(values.rows()).enumerate() {
            let (what, why) = match pair {
                (None, _) => ("key", NULL),
                (_, None) => ("value", NULL),
                _ if bad_key == Some(row) => ("key", NOT_UTF8),
                _ if bad_value == Some(row) => ("value", NOT_UTF8),
                (Some(key), Some(value)) => {
                    batch.push(key);
                    batch.push(value);
                    self.counts.records.fetch_add(1, Relaxed);
                    if is_full(&batch) {
                        self.feed(py, &mut batch)?;
                        ticker.tick(py, &self.listener)?;
                    }
                    continue;
                }
            };
            // As with pairs, what came before is in.
            self.feed(py, &mut batch)?;
            let number = self.counts.records.load(Relaxed) + 1;
            return Err(errors::input_error(py, &format!("the {what} of record {number} is {why}")));
        }
        self.feed(py, &mut batch)
    }

    fn abort_with(&self, py: Python<'_>, why: &'static str) {
        let mut state = self.lock(py);
        if let State::Open(_) = &*state {
            *state = State::Ended(why);
        }
    }
}

impl Building {
    fn flush(&mut self) -> Result<(), hashlith_builder::Error> {
        add_all(&mut self.feeder, &mut self.pending)
    }
}

fn add_all(feeder: &mut Feeder, batch: &mut Arena) -> Result<(), hashlith_builder::Error> {
    let mut parts = batch.iter();
    while let (Some(key), Some(value)) = (parts.next(), parts.next()) {
        feeder.add(key, value)?;
    }
    drop(parts);
    batch.truncate(0);
    Ok(())
}

fn is_full(batch: &Arena) -> bool {
    batch.len() >= 2 * BATCH_RECORDS || batch.bytes() >= BATCH_BYTES
}

#[cold]
fn ended(state: &State) -> PyErr {
    PyValueError::new_err(match state {
        State::Ended(why) => why,
        State::Open(_) => "the builder is open",
    })
}

/// The Python type of a kind; of both, if neither is settled yet.
fn wanted(kind: Option<String>) -> &'static str {
    match kind.as_deref() {
        Some("text") => "str",
        Some(_) => "bytes",
        None => "str or bytes",
    }
}

#[cold]
fn wrong_key(key: &Bound<'_, PyAny>, kind: Option<String>) -> PyErr {
    let (shown, found, wanted) = (shown(key), type_name(key), wanted(kind));
    PyTypeError::new_err(format!("keys of this index are {wanted}, but {shown} is {found}"))
}

#[cold]
fn wrong_value(key: &Bound<'_, PyAny>, value: &Bound<'_, PyAny>, kind: Option<String>) -> PyErr {
    let (shown, found, wanted) = (shown(key), type_name(value), wanted(kind));
    PyTypeError::new_err(format!(
        "the value of key {shown} is {found}, not {wanted}: convert it, or build with values=\"json\" to store any JSON value"
    ))
}

/// A key in a message, cut off if it is long.
fn shown(key: &Bound<'_, PyAny>) -> String {
    let text = key.repr().map_or_else(|_| "?".to_owned(), |text| text.to_string());
    match text.char_indices().nth(80) {
        Some((at, _)) => format!("{}...", text.get(..at).unwrap_or_default()),
        None => text,
    }
}

#[pymethods]
impl Builder {
    #[new]
    #[pyo3(signature = (path, **options))]
    fn new(py: Python<'_>, path: PathBuf, options: Option<&Bound<'_, PyDict>>) -> PyResult<Self> {
        let keywords = Keywords::new(py, options)?;
        let settings = keywords.settings()?;
        let (keys, values) = keywords.kinds()?;
        let progress = keywords.object("progress")?;
        keywords.end()?;
        let output = errors::absolute(&path)?;
        let told = |failure| errors::from_failure(py, failure);
        let dir = output_dir(&output, settings.parts.is_some()).map_err(told)?;
        let mut builder = settings.builder(keys.unwrap_or_default(), values.unwrap_or_default(), &dir);
        let failed = |error: hashlith_builder::Error| told(builder_failure(&error, &|_| String::new()));
        builder.preflight(&output).map_err(failed)?;
        let feeder = builder.feeder().map_err(failed)?;
        let counts = Arc::new(Counts::default());
        let sampler = sampler(builder.progress(), Arc::clone(&counts));
        let building = Building { builder, feeder, pending: Arena::default() };
        Ok(Builder {
            output,
            began: Instant::now(),
            keys: keys.map_or_else(OnceLock::new, OnceLock::from),
            values: values.map_or_else(OnceLock::new, OnceLock::from),
            encode: OnceLock::new(),
            counts,
            listener: Listener::new(progress.as_ref(), Arc::new(sampler))?,
            state: Mutex::new(State::Open(Box::new(building))),
        })
    }

    /// Adds a record.
    #[pyo3(signature = (key, value, /))]
    fn add(&self, key: &Bound<'_, PyAny>, value: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = key.py();
        let mut record = Arena::default();
        self.push(key, value, &mut record)?;
        let full = {
            let mut state = self.lock(py);
            let State::Open(building) = &mut *state else { return Err(ended(&state)) };
            record.iter().for_each(|part| building.pending.push(part));
            is_full(&building.pending)
        };
        self.counts.records.fetch_add(1, Relaxed);
        if full {
            self.feed(py, &mut Arena::default())?;
            py.check_signals()?;
            self.listener.tell(py)?;
        }
        Ok(())
    }

    /// Adds many records: a mapping, an iterable of pairs, or keys and values apart, as two iterables of the same
    /// length or two Arrow columns.
    #[pyo3(signature = (records, values = None, /))]
    fn add_many(&self, records: &Bound<'_, PyAny>, values: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
        let py = records.py();
        if let State::Ended(_) = &*self.lock(py) {
            return Err(PyValueError::new_err("the build has ended: nothing more can be added"));
        }
        if let Ok(length) = records.len() {
            self.counts.expected.fetch_add(length as u64, Relaxed);
        }
        let Some(values) = values else {
            return match records.getattr_opt("items")? {
                Some(items) => self.add_pairs(&items.call0()?),
                None => self.add_pairs(records),
            };
        };
        match (Column::any(records)?, Column::any(values)?) {
            (Some(keys), Some(values)) => self.add_columns(py, &keys, &values),
            (None, None) => {
                let strict = PyDict::new(py);
                strict.set_item("strict", true)?;
                let zip = py.import("builtins")?.getattr("zip")?;
                self.add_pairs(&zip.call((records, values), Some(&strict))?)
            }
            _ => Err(PyTypeError::new_err("keys and values must both be Arrow columns, or neither of them")),
        }
    }

    /// Builds the index, puts it at its path in one step, and tells what was built.
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
        let key_type = match self.keys.get().copied().unwrap_or_default() {
            KeyKind::Text => KeyType::Text,
            KeyKind::Bytes => KeyType::Bytes,
        };
        let value_type = match self.values.get().copied().unwrap_or_default() {
            ValueKind::Text => ValueType::Text,
            ValueKind::Bytes => ValueType::Bytes,
            ValueKind::Json => ValueType::Json,
        };
        let Building { builder, mut feeder, mut pending } = building;
        let progress = builder.progress();
        let work = || {
            add_all(&mut feeder, &mut pending)?;
            feeder.finish()?;
            builder.key_type(key_type).value_type(value_type).finish(&self.output)
        };
        let report = supervise(py, &self.listener, || progress.cancel(), work)?;
        let report = report.map_err(|error| self.failure(py, &error))?;
        files::report(py, &self.output, &report, None, self.began.elapsed())
    }

    /// Gives the build up. What was at the path is untouched, and no temporary file stays.
    fn abort(&self, py: Python<'_>) {
        self.abort_with(py, "the build was given up: nothing more can be added");
    }

    /// True until finish() or abort(), or an error that ended the build.
    #[getter]
    fn is_open(&self, py: Python<'_>) -> bool {
        matches!(&*self.lock(py), State::Open(_))
    }
}

/// Records that have come while they come, then what the builder does with them.
fn sampler(progress: Arc<Progress>, counts: Arc<Counts>) -> impl Fn() -> Snapshot + Send + Sync {
    move || {
        after_feeding(&progress).unwrap_or_else(|| {
            let (done, expected) = (counts.records.load(Relaxed), counts.expected.load(Relaxed));
            Snapshot {
                phase: "reading",
                done,
                total: Some(expected).filter(|&expected| expected >= done && expected > 0),
                unit: Unit::Records,
                records: None,
            }
        })
    }
}
