//! Standard output for data.

use crate::failure::Failure;
use std::io::{self, BufWriter, IsTerminal, StdoutLock, Write};

/// Buffered standard output. A closed pipe is not reported as a failure.
pub struct Output {
    out: BufWriter<StdoutLock<'static>>,
}

impl Output {
    /// Takes standard output.
    pub fn new() -> Self {
        Output { out: BufWriter::with_capacity(1 << 16, io::stdout().lock()) }
    }

    /// Writes bytes.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.out.write_all(bytes).map_err(|error| Failure::output(&error))
    }

    /// Writes a value as one line of JSON.
    pub fn json(&mut self, value: &impl serde::Serialize) -> Result<(), Failure> {
        serde_json::to_writer(&mut self.out, value)
            .map_err(|error| Failure::output(&io::Error::from(error)))?;
        self.write(b"\n")
    }

    /// Writes a report as JSON, indented on a terminal.
    pub fn report(&mut self, value: &impl serde::Serialize) -> Result<(), Failure> {
        if io::stdout().is_terminal() {
            serde_json::to_writer_pretty(&mut self.out, value)
                .map_err(|error| Failure::output(&io::Error::from(error)))?;
            self.write(b"\n")?;
        } else {
            self.json(value)?;
        }
        self.flush()
    }

    /// Writes out the buffer. To be called at the end, because dropping reports no errors.
    pub fn flush(&mut self) -> Result<(), Failure> {
        self.out.flush().map_err(|error| Failure::output(&error))
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.out.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
