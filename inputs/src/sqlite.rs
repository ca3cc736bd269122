//! SQLite databases: the rows of a query, or of the only table.

mod rows;

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, Thread};
use std::time::Duration;

use hashlith_feedback::{Advice, Unit};
use rusqlite::config::DbConfig;
use rusqlite::fallible_iterator::FallibleIterator;
use rusqlite::limits::Limit;
use rusqlite::types::ValueRef;
use rusqlite::{Batch, Connection, Error, ErrorCode, OpenFlags, Result as Sqlite, Statement};

use crate::bad_row::BadRow;
use crate::columns::listed;
use crate::options::ReadOptions;
use crate::outlet::Outlet;
use crate::sink::Sink;
use crate::source::Source;
use crate::sqlite::rows::Plan;
use crate::stop::{PlainStop, Stop};
use crate::unreadable::{Unreadable, unreadable};

/// How often a long query is asked whether it must stop.
const LOOK: Duration = Duration::from_millis(50);

/// Passes all rows of a database to the sink.
pub(crate) fn read_source<S: Sink>(
    source: &Source,
    options: &ReadOptions,
    outlet: &mut Outlet<'_, S>,
) -> Result<(), Stop<S::Error>> {
    let connection = open(source, options).map_err(Stop::for_sink)?;
    let interrupt = connection.get_interrupt_handle();
    let (shared, ended) = (outlet.shared, AtomicBool::new(false));
    thread::scope(|scope| {
        // A query that sorts gives no row for a long time.
        let watch = thread::Builder::new().spawn_scoped(scope, || {
            while !ended.load(Ordering::Relaxed) {
                if shared.must_stop() {
                    interrupt.interrupt();
                }
                thread::park_timeout(LOOK);
            }
        });
        let _end = End(&ended, watch.ok().map(|watch| watch.thread().clone()));
        read(&connection, source.size().unwrap_or(0), options, outlet)
    })
}

/// Ends the thread that watches, also if a sink panics: the scope waits for it.
struct End<'a>(&'a AtomicBool, Option<Thread>);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
        if let Some(watch) = &self.1 {
            watch.unpark();
        }
    }
}

fn open(source: &Source, options: &ReadOptions) -> Result<Connection, PlainStop> {
    let open = |immutable: bool| -> Sqlite<Connection> {
        let read_only = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = match source {
            Source::Path(path) if immutable => {
                Connection::open_with_flags(uri(path), read_only | OpenFlags::SQLITE_OPEN_URI)?
            }
            Source::Path(path) => Connection::open_with_flags(path, read_only)?,
            Source::Memory { bytes, .. } => {
                let mut connection = Connection::open_in_memory()?;
                connection.deserialize_read_exact("main", &bytes[..], bytes.len(), true)?;
                connection
            }
            Source::Stdin => return Err(Error::InvalidQuery),
        };
        let most = i32::try_from(options.max_record_bytes).unwrap_or(i32::MAX);
        connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, most)?;
        // What a hostile file could have in its schema is not run.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
        // Or a misspelt name in quotes would be a text.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DML, false)?;
        connection.pragma_update(None, "cell_size_check", true)?;
        check_names(&connection)?;
        Ok(connection)
    };
    let opened = open(false).or_else(|error| match (error.sqlite_error_code(), source) {
        // In WAL mode a reader needs files that this process may not make here. Without one of them nothing waits to be read there.
        (Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly), Source::Path(path))
            if is_wal(path) && !beside(path, "-wal").exists() && !beside(path, "-journal").exists() =>
        {
            open(true)
        }
        _ => Err(error),
    });
    opened.map_err(|error| match (error.sqlite_error_code(), source) {
        (Some(ErrorCode::ReadOnly), Source::Path(path)) if beside(path, "-journal").exists() => {
            let what = "a program was killed while it wrote to the database: open it for writing once, which restores it, for example \
                        with sqlite3";
            unreadable(0, what.to_owned())
        }
        (Some(ErrorCode::ReadOnly), _) => unreadable(0, not_opened(&error)),
        _ => unreadable(0, failed(error, options)),
    })
}

/// Whether the header of a database says that it is in WAL mode. <https://sqlite.org/fileformat.html>, section 1.3.3
fn is_wal(path: &Path) -> bool {
    let mut header = [0; 20];
    File::open(path).and_then(|mut file| file.read_exact(&mut header)).is_ok() && header[18..] == [2, 2]
}

fn not_opened(error: &Error) -> String {
    format!(
        "{error}; a database in WAL mode needs a directory that may be written to: copy it to one, with its -wal file"
    )
}

/// Names of columns must be text, or rusqlite panics when it is asked for one. They are from the schema or from the query, which is text.
fn check_names(connection: &Connection) -> Sqlite<()> {
    let mut statement = connection.prepare("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL")?;
    let mut texts = statement.query_map([], |row| row.get::<_, String>(0))?;
    texts.try_for_each(|text| text.map(|_| ()))
}

/// The file of a database with this ending: `-wal` and `-journal` hold what is not yet, or should no longer be, in the database.
fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// The path as SQLite takes it with a statement that no other program changes the file. <https://sqlite.org/uri.html>
fn uri(path: &Path) -> String {
    let mut uri = "file:".to_owned();
    for &byte in path.as_os_str().as_encoded_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' => uri.push(byte.into()),
            _ => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    uri + "?immutable=1"
}

/// What an error of SQLite means.
fn failed(error: Error, options: &ReadOptions) -> Unreadable {
    let what = match &error {
        Error::SqlInputError { msg, .. } => format!("the query cannot be run: {msg}"),
        Error::Utf8Error(..) | Error::FromSqlConversionFailure(..) | Error::InvalidColumnType(..) => {
            "the database is damaged: its schema is no text".to_owned()
        }
        _ => match error.sqlite_error_code() {
            Some(ErrorCode::NotADatabase) => {
                "this is no SQLite database (one that is compressed or encrypted must be unpacked first)"
                    .to_owned()
            }
            Some(ErrorCode::DatabaseCorrupt) => format!("the database is damaged: {error}"),
            Some(ErrorCode::DatabaseBusy) => {
                "another program is writing to the database: try again later".to_owned()
            }
            Some(ErrorCode::CannotOpen) => not_opened(&error),
            Some(ErrorCode::ReadOnly) => "the query would write: it must be a SELECT".to_owned(),
            Some(ErrorCode::TooBig) => {
                let most = options.max_record_bytes;
                let what = format!("a row is longer than {most} bytes, the longest that is allowed");
                return Unreadable { what, advice: Some(Advice::MoreMemory) };
            }
            // What SQLite has no other code for.
            Some(ErrorCode::Unknown) => format!("the query cannot be run: {error}"),
            _ => format!("SQLite says: {error}"),
        },
    };
    what.into()
}

fn read<S: Sink>(
    connection: &Connection,
    size: u64,
    options: &ReadOptions,
    outlet: &mut Outlet<'_, S>,
) -> Result<(), Stop<S::Error>> {
    let (progress, shared) = (outlet.shared.progress, outlet.shared);
    let mut at = 0;
    // What is interrupted fails too.
    let stop = |at, why: Unreadable| match shared.must_stop() {
        true => Stop::Asked,
        false => unreadable(at, why).for_sink(),
    };
    let said = |error| failed(error, options);
    let mut statement = match &options.query {
        Some(query) => statement(connection, query, options).map_err(|why| stop(0, why))?,
        None => {
            let table = only_table(connection, options).map_err(|why| stop(0, why))?;
            let query = format!("SELECT * FROM \"{}\"", table.replace('"', "\"\""));
            connection.prepare(&query).map_err(|error| stop(0, said(error)))?
        }
    };
    let plan = Plan::new(&statement, options).map_err(|why| stop(0, why.into()))?;
    let mut rows = statement.query([]).map_err(|error| stop(0, said(error)))?;
    let (mut key, mut value, mut counted) = (Vec::new(), Vec::new(), 0);
    loop {
        let row = rows.next().map_err(|error| stop(at, said(error)))?;
        let Some(row) = row else { break };
        let cell = |column| row.get_ref(column).unwrap_or(ValueRef::Null);
        key.clear();
        value.clear();
        match plan.record(cell, &mut key, &mut value) {
            Ok(()) => outlet.record(at, &key, &value)?,
            Err(reason) => outlet.bad_row(BadRow::new(at, reason))?,
        }
        // About what they take in the file.
        let read = ((key.len() + value.len()) as u64).min(size - counted);
        progress.add(Unit::Bytes, read);
        counted += read;
        at += 1;
    }
    progress.add(Unit::Bytes, size - counted);
    Ok(())
}

/// The query, which must be one statement that gives rows and needs nothing else.
fn statement<'c>(
    connection: &'c Connection,
    query: &str,
    options: &ReadOptions,
) -> Result<Statement<'c>, Unreadable> {
    let mut statements = Batch::new(connection, query);
    let mut next = || statements.next().map_err(|error| failed(error, options));
    let first = next()?.ok_or_else(|| "the query is empty".to_owned())?;
    let what = match (first.column_count(), first.parameter_count(), next()?) {
        (0, ..) => "the query gives no rows: it must be a SELECT",
        (_, 1.., _) => "the query has a parameter: write the value in its place",
        (.., Some(_)) => "the query is more than one statement",
        (.., None) => return Ok(first),
    };
    Err(what.to_owned().into())
}

/// The only table. A view is a query, which a hostile file could make endless: it is read only if asked for.
fn only_table(connection: &Connection, options: &ReadOptions) -> Result<String, Unreadable> {
    let tables = || -> Sqlite<Vec<String>> {
        let query = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' \
                     ORDER BY rowid";
        let mut statement = connection.prepare(query)?;
        let names = statement.query_map([], |row| row.get(0))?;
        names.collect()
    };
    let mut tables = tables().map_err(|error| failed(error, options))?;
    match (tables.len(), tables.pop()) {
        (1, Some(only)) => Ok(only),
        (0, _) | (_, None) => Err("the database has no table".to_owned().into()),
        (_, Some(last)) => {
            tables.push(last);
            let names = listed(&tables);
            Err(Unreadable {
                what: format!("the database has several tables: {names}"),
                advice: Some(Advice::Query),
            })
        }
    }
}
