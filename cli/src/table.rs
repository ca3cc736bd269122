//! Tables with aligned columns for people.

use std::io::{self, Write};

/// Rows of cells. The first column is aligned to the left, the others to the left or to the right.
pub struct Table {
    rows: Vec<Vec<String>>,
    right: bool,
}

impl Table {
    /// A table of names and words.
    pub fn words() -> Self {
        Table { rows: Vec::new(), right: false }
    }

    /// A table of names and numbers, which are aligned to the right.
    pub fn numbers() -> Self {
        Table { rows: Vec::new(), right: true }
    }

    /// Adds a row.
    pub fn row<const N: usize>(&mut self, cells: [&dyn ToString; N]) {
        self.rows.push(cells.iter().map(|cell| cell.to_string()).collect());
    }

    /// Writes the rows, with two spaces between columns and none at the ends of lines.
    pub fn write(&self, out: &mut impl Write) -> io::Result<()> {
        self.write_with_notes(out, &[])
    }

    /// Writes the rows, each with a note at its right.
    pub fn write_with_notes(&self, out: &mut impl Write, notes: &[String]) -> io::Result<()> {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            self.rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max()
        };
        // A format takes no larger width.
        let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0).min(1000)).collect();
        for (number, row) in self.rows.iter().enumerate() {
            let mut line = String::new();
            for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
                if column > 0 {
                    line.push_str("  ");
                }
                if self.right && column > 0 {
                    line.push_str(&format!("{cell:>width$}"));
                } else {
                    line.push_str(&format!("{cell:<width$}"));
                }
            }
            if let Some(note) = notes.get(number) {
                line.push_str("  ");
                line.push_str(note);
            }
            writeln!(out, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned() {
        let mut table = Table::numbers();
        table.row([&"a", &1]);
        table.row([&"long", &1000]);
        let mut out = Vec::new();
        table.write(&mut out).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "a        1\nlong  1000\n");
    }

    #[test]
    fn a_cell_may_be_longer_than_any_width() {
        let long = "x".repeat(100_000);
        let mut table = Table::numbers();
        table.row([&long, &1]);
        let mut out = Vec::new();
        table.write(&mut out).unwrap();
        assert!(out.starts_with(long.as_bytes()) && out.ends_with(b"  1\n"));
    }
}
