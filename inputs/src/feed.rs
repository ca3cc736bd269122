//! Hands out work in input order: whole pickles and Arrow files, row groups of Parquet files, and blocks of the other formats, which end between two records.

use hashlith_feedback::Progress;

#[cfg(feature = "arrow")]
use hashlith_feedback::Unit;

#[cfg(feature = "arrow")]
use crate::arrow;
use crate::block::{Block, BlockFormat};
use crate::cutter::Cutter;
#[cfg(any(feature = "arrow", feature = "sqlite"))]
use crate::format::Format;
use crate::magic;
use crate::options::ReadOptions;
use crate::source::Source;
use crate::sources::Sources;
use crate::stop::{PlainStop, Stop};

/// What a worker does next.
pub(crate) enum Work<'a> {
    /// Parse the block.
    Block,
    /// Read all of this source, a pickle.
    Pickle(u32, &'a Source),
    /// Read all of this source, an Arrow file or stream.
    #[cfg(feature = "arrow")]
    Arrow(u32, &'a Source),
    /// Read all of this source, a database.
    #[cfg(feature = "sqlite")]
    Sqlite(u32, &'a Source),
    /// Read this row group of this source.
    #[cfg(feature = "arrow")]
    RowGroup(u32, Box<arrow::RowGroup>),
    /// Nothing: all work is handed out.
    Done,
}

/// Hands out the work of all sources.
pub(crate) struct Feed<'a> {
    sources: &'a Sources,
    options: &'a ReadOptions,
    progress: &'a Progress,
    next_source: u32,
    current: Option<Cutter<'a>>,
    #[cfg(feature = "arrow")]
    parquet: Option<(u32, arrow::File)>,
    /// What people should know about how files were read.
    pub notes: Vec<String>,
    /// Of which kinds they are.
    noted: Vec<&'static str>,
}

impl<'a> Feed<'a> {
    pub fn new(sources: &'a Sources, options: &'a ReadOptions, progress: &'a Progress) -> Self {
        Feed {
            sources,
            options,
            progress,
            next_source: 0,
            current: None,
            #[cfg(feature = "arrow")]
            parquet: None,
            notes: Vec::new(),
            noted: Vec::new(),
        }
    }

    /// The next piece of work; a block is put into `block`. After an error there is no more work.
    pub fn next(&mut self, block: &mut Block<'_>) -> Result<Work<'a>, (u32, PlainStop)> {
        loop {
            if let Some(cutter) = &mut self.current {
                let next = cutter.next(block, self.options, self.progress);
                if let Some(((what, shown), (source, _))) = cutter.note.take().zip(self.sources.get(cutter.source))
                    // One file stands for all.
                    && !self.noted.contains(&what)
                {
                    self.noted.push(what);
                    self.notes.push(format!("{}: {what}{shown}", source.name()));
                }
                match next {
                    Ok(true) => return Ok(Work::Block),
                    Ok(false) => {
                        block.release();
                        self.current = None;
                    }
                    Err(stop) => {
                        let source = cutter.source;
                        self.end();
                        return Err((source, stop));
                    }
                }
            }
            #[cfg(feature = "arrow")]
            if let Some((source, file)) = &mut self.parquet {
                match file.next() {
                    Some(group) => return Ok(Work::RowGroup(*source, Box::new(group))),
                    None => self.parquet = None,
                }
            }
            let number = self.next_source;
            let Some((source, format)) = self.sources.get(number) else { return Ok(Work::Done) };
            self.next_source += 1;
            #[cfg(feature = "arrow")]
            match format {
                Format::Arrow => return Ok(Work::Arrow(number, source)),
                Format::Parquet => {
                    let file = arrow::File::open(source, self.options).map_err(|stop| {
                        self.end();
                        (number, stop)
                    })?;
                    self.progress.add(Unit::Bytes, file.other_bytes());
                    self.parquet = Some((number, file));
                    continue;
                }
                _ => {}
            }
            #[cfg(feature = "sqlite")]
            if format == Format::Sqlite {
                return Ok(Work::Sqlite(number, source));
            }
            let Some(blocks) = BlockFormat::of(format) else { return Ok(Work::Pickle(number, source)) };
            let memory = self.options.max_record_bytes;
            match source.open_text(self.sources.encoding_of(format), memory, Some(self.progress)) {
                Ok(reader) => {
                    let (head, reader) = magic::peek(reader);
                    self.current = Some(Cutter::new(number, format, blocks, head, reader));
                }
                Err(error) => {
                    self.end();
                    return Err((number, Stop::Io(0, error)));
                }
            }
        }
    }

    fn end(&mut self) {
        self.current = None;
        #[cfg(feature = "arrow")]
        {
            self.parquet = None;
        }
        self.next_source = u32::MAX;
    }
}

#[cfg(test)]
mod tests;
