//! The keywords of a build: the command's options, with underscores.

use crate::paths::AnyPath;
use hashlith::{
    Builder, Column, Delimiter, Encoding, Format, HashName, KeyHasher, KeyType, MAX_PARTS, OnDuplicate,
    OnError, Quotes, ReadOptions, Seed, ValueType, parse_size,
};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyList, PyTuple};
use std::fmt::Display;
use std::str::FromStr;

/// Keywords that are taken one by one. One that is left at the end is a mistake.
pub struct Keywords<'py>(Bound<'py, PyDict>);

impl<'py> Keywords<'py> {
    pub fn new(py: Python<'py>, keywords: Option<&Bound<'py, PyDict>>) -> PyResult<Self> {
        keywords.map_or_else(|| Ok(PyDict::new(py)), |keywords| keywords.copy()).map(Keywords)
    }

    /// The value of a keyword, if it was given and is not None.
    pub fn object(&self, name: &str) -> PyResult<Option<Bound<'py, PyAny>>> {
        let value = self.0.get_item(name)?;
        if value.is_some() {
            self.0.del_item(name)?;
        }
        Ok(value.filter(|value| !value.is_none()))
    }

    fn take<T>(&self, name: &str) -> PyResult<Option<T>>
    where
        T: for<'a> FromPyObject<'a, 'py>,
    {
        self.object(name)?.map(|value| self.extract(name, &value)).transpose()
    }

    /// Converts a value to its type.
    ///
    /// # Errors
    /// TypeError or ValueError, with the keyword's name.
    fn extract<T>(&self, name: &str, value: &Bound<'py, PyAny>) -> PyResult<T>
    where
        T: for<'a> FromPyObject<'a, 'py>,
    {
        value.extract::<T>().map_err(|error| {
            let error: PyErr = error.into();
            named(self.0.py(), name, &error)
        })
    }

    /// A keyword whose value is one of several words.
    fn word<T: FromStr<Err: Display>>(&self, name: &str) -> PyResult<Option<T>> {
        let Some(word) = self.take::<String>(name)? else { return Ok(None) };
        word.parse().map(Some).map_err(|error| PyValueError::new_err(format!("{name}: {error}")))
    }

    /// Fails if a keyword is left.
    pub fn end(&self) -> PyResult<()> {
        match self.0.keys().iter().next() {
            Some(name) => {
                Err(PyTypeError::new_err(format!("unexpected keyword argument '{name}' of a build")))
            }
            None => Ok(()),
        }
    }

    /// True for `keys="json"`, which is taken: keys are text, and those that are no strings stand for their JSON text.
    pub fn has_json_keys(&self) -> PyResult<bool> {
        let keys = self.0.get_item("keys")?;
        let is_json = keys.is_some_and(|keys| keys.eq("json").unwrap_or(false));
        if is_json {
            self.0.del_item("keys")?;
        }
        Ok(is_json)
    }

    /// The types of keys and values, if the keywords give them.
    pub fn types(&self) -> PyResult<(Option<KeyType>, Option<ValueType>)> {
        Ok((self.word("keys")?, self.word("values")?))
    }

    /// A builder with these options.
    pub fn builder(&self) -> PyResult<Builder> {
        let mut builder = Builder::new()
            .on_duplicate(self.word("on_duplicate")?.unwrap_or(OnDuplicate::Error))
            .compress(self.word("compress")?.unwrap_or_default())
            .hasher(self.hasher()?)
            .metadata(self.metadata()?);
        if let Some(threads) = self.take::<usize>("threads")? {
            if threads == 0 {
                return Err(PyValueError::new_err("threads must be at least 1"));
            }
            builder = builder.threads(threads);
        }
        if let Some(memory) = self.memory()? {
            builder = builder.memory_limit(memory);
        }
        if let Some(dir) = self.take::<AnyPath>("temp_dir")? {
            builder = builder.temp_dir(&*dir);
        }
        if let Some(bits) = self.take::<u32>("fingerprint_bits")? {
            if !(1..=16).contains(&bits) {
                return Err(PyValueError::new_err(format!("fingerprint_bits must be 1 to 16, not {bits}")));
            }
            builder = builder.fingerprint_bits(bits);
        }
        if let Some(bits) = self.take::<u32>("check_bits")? {
            if !(8..=64).contains(&bits) {
                return Err(PyValueError::new_err(format!("check_bits must be 8 to 64, not {bits}")));
            }
            builder = builder.check_bits(bits);
        }
        match (self.take::<u32>("parts")?, self.take::<(u32, u32)>("part")?) {
            (None, None) => Ok(builder),
            (Some(parts), None) if (1..=MAX_PARTS).contains(&parts) => Ok(builder.parts(parts)),
            (None, Some((part, parts))) => Ok(builder.part(part, parts)),
            (Some(parts), None) => {
                Err(PyValueError::new_err(format!("parts: a set has 1 to 65,536 parts, not {parts}")))
            }
            (Some(_), Some(_)) => Err(PyValueError::new_err(
                "parts builds a whole set, part builds one file of it: give only one of them",
            )),
        }
    }

    /// A number of bytes, or a size such as "4G".
    fn memory(&self) -> PyResult<Option<u64>> {
        let Some(value) = self.object("memory")? else { return Ok(None) };
        match value.extract::<String>() {
            Ok(text) => {
                parse_size(&text).map(Some).map_err(|error| PyValueError::new_err(format!("memory: {error}")))
            }
            Err(_) => self.extract("memory", &value).map(Some),
        }
    }

    /// The hash, by its name and its seed: a number, or "random".
    fn hasher(&self) -> PyResult<KeyHasher> {
        let name = self.take::<String>("hash")?;
        let seed = match self.object("seed")? {
            None => None,
            Some(value) => Some(match value.extract::<String>() {
                Ok(word) if word == "random" => Seed::Random,
                Ok(word) => {
                    let message = format!("seed must be a number or \"random\", not {word:?}");
                    return Err(PyValueError::new_err(message));
                }
                Err(_) => Seed::Number(self.extract("seed", &value)?),
            }),
        };
        hasher(name.as_deref().unwrap_or("xxh3"), seed)
    }

    /// A dict, as JSON.
    fn metadata(&self) -> PyResult<String> {
        let Some(value) = self.object("metadata")? else { return Ok(String::new()) };
        let value =
            value.cast_into::<PyDict>().map_err(|_| PyTypeError::new_err("metadata must be a dict"))?;
        let keywords = PyDict::new(self.0.py());
        keywords.set_item("allow_nan", false)?;
        let text = self.0.py().import("json")?.getattr("dumps")?.call((value,), Some(&keywords));
        text.and_then(|text| text.extract()).map_err(|error| named(self.0.py(), "metadata", &error))
    }

    /// How to read files.
    pub fn input(&self) -> PyResult<ReadOptions> {
        let defaults = ReadOptions::default();
        let json_keys = self.has_json_keys()?;
        let (keys, values) = self.types()?;
        let max_errors = self.take("max_errors")?;
        let on_error = match (self.take::<String>("on_error")?.as_deref(), max_errors) {
            (None, None) | (Some("stop"), None) => OnError::Stop,
            (None | Some("skip"), max_errors) => OnError::Skip { max_errors },
            (Some("stop"), Some(_)) => {
                return Err(PyValueError::new_err(
                    "max_errors means on_error=\"skip\": leave out on_error=\"stop\"",
                ));
            }
            (Some(other), _) => {
                return Err(PyValueError::new_err(format!(
                    "on_error must be \"stop\" or \"skip\", not {other:?}"
                )));
            }
        };
        Ok(ReadOptions {
            format: self.word::<Format>("format")?,
            key_type: keys.unwrap_or(defaults.key_type),
            value_type: values.unwrap_or(defaults.value_type),
            encoding: self.take::<String>("encoding")?.map(|name| known_encoding(&name)).transpose()?,
            delimiter: self.word::<Delimiter>("delimiter")?,
            quotes: self.word::<Quotes>("quotes")?,
            escape: self.take("escape")?.unwrap_or(defaults.escape),
            header: self.take("header")?,
            key_columns: self.columns("key_column")?,
            value_columns: self.columns("value_column")?,
            join: self.take("join")?,
            comment: self.take("comment")?,
            skip_rows: self.take("skip_rows")?.unwrap_or(0),
            key_field: self.take("key_field")?,
            value_field: self.take("value_field")?,
            on_error,
            json_keys,
            query: self.take("query")?,
            pick: self.pick()?,
            ..ReadOptions::default()
        })
    }

    /// The number of a dict in a pickle, or its key.
    fn pick(&self) -> PyResult<Option<String>> {
        let Some(value) = self.object("pick")? else { return Ok(None) };
        if let Ok(name) = value.extract::<String>() {
            return Ok(Some(name));
        }
        let number = value.extract::<u64>().ok().filter(|_| !value.is_instance_of::<PyBool>());
        let number = number.ok_or_else(|| PyTypeError::new_err("pick must be a number from 0, or a key"))?;
        Ok(Some(number.to_string()))
    }

    /// A column, or a list of columns.
    fn columns(&self, name: &str) -> PyResult<Vec<Column>> {
        let Some(value) = self.object(name)? else { return Ok(Vec::new()) };
        if value.is_instance_of::<PyList>() || value.is_instance_of::<PyTuple>() {
            let columns =
                value.try_iter()?.map(|column| one_column(name, &column?)).collect::<PyResult<Vec<_>>>()?;
            if columns.is_empty() {
                return Err(PyValueError::new_err(format!("{name} must name at least one column")));
            }
            return Ok(columns);
        }
        Ok(vec![one_column(name, &value)?])
    }
}

/// A column's number, from 1, its name, or `*`.
fn one_column(name: &str, value: &Bound<'_, PyAny>) -> PyResult<Column> {
    if let Ok(title) = value.extract::<String>() {
        return Ok(if title == "*" { Column::Row } else { Column::Name(title) });
    }
    let number =
        value.extract::<usize>().ok().filter(|&number| number > 0 && !value.is_instance_of::<PyBool>());
    let number = number.ok_or_else(|| {
        PyTypeError::new_err(format!(
            "{name} must be a column's number, from 1, its name in the header, or a list of these"
        ))
    });
    number.map(Column::Number)
}

fn known_encoding(name: &str) -> PyResult<Encoding> {
    hashlith::encoding(name)
        .ok_or_else(|| PyValueError::new_err(format!("encoding: none has the name {name:?}")))
}

/// A hash by name, with this seed or its default.
pub fn hasher(name: &str, seed: Option<Seed>) -> PyResult<KeyHasher> {
    let name: HashName = name
        .parse()
        .map_err(|_| PyValueError::new_err(format!("hash must be \"xxh3\" or \"siphash\", not {name:?}")))?;
    name.hasher(seed).map_err(|error| PyValueError::new_err(format!("seed: {error}")))
}

/// The error with the name of the keyword in front.
fn named(py: Python<'_>, name: &str, error: &PyErr) -> PyErr {
    let message = format!("{name}: {}", error.value(py));
    match error.is_instance_of::<PyTypeError>(py) {
        true => PyTypeError::new_err(message),
        false => PyValueError::new_err(message),
    }
}
