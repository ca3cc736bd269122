//! Errors, with advice that names the options of this command.

use hashlith::{Advice, Error, Skipped};

/// An error and what to do about it.
pub fn message(error: &Error) -> String {
    if let Error::Input(hashlith::inputs::Error::UnusedOption { option, formats }) = error {
        let formats: Vec<_> = formats.iter().map(|format| format.name()).collect();
        let (option, formats) = (option.replace('_', "-"), formats.join(", "));
        return format!("--{option} has no effect: no input has a format that it is for ({formats})");
    }
    with_advice(error, error.advice())
}

/// A row that was left out, and what to do about it.
pub fn skipped(row: &Skipped) -> String {
    with_advice(row, row.advice)
}

fn with_advice(what: &impl std::fmt::Display, advice: Option<Advice>) -> String {
    match advice {
        Some(advice) => format!("{what}; {}", words(advice)),
        None => what.to_string(),
    }
}

fn words(advice: Advice) -> String {
    let words = match advice {
        Advice::BytesKeys => "use --keys bytes to keep it as it is",
        Advice::BytesValues => "use --values bytes to keep it as it is",
        Advice::Bytes => "use --keys bytes --values bytes to keep any bytes",
        Advice::EncodingOrBytes => {
            "name its encoding with --encoding, or use --keys bytes --values bytes to keep any bytes"
        }
        Advice::Encoding => "name its encoding with --encoding",
        Advice::Delimiter => "name the delimiter with --delimiter, if it is another one",
        Advice::LenientQuotes => {
            "use --quotes lenient to take such fields as they are, or --quotes off if quotes are ordinary characters"
        }
        Advice::NoQuotes => "use --quotes off if quotes are ordinary characters",
        Advice::BackslashQuotes => "use --quotes backslash if it escapes the quote",
        Advice::BlankDelimiter => {
            "use --delimiter ', ' if a blank follows each comma, or --quotes lenient to take such fields as they are"
        }
        Advice::JsonValues => "use --values json to store it as JSON text",
        Advice::Format => {
            "state it with --format (pickle, tsv, csv, jsonl, json, cdbmake, parquet, arrow, sqlite)"
        }
        Advice::Fields => "--key-field and --value-field name other fields",
        Advice::TempDir => "choose another directory with --temp-dir",
        Advice::MoreMemory => "or give more --memory",
        Advice::MoreMemoryOrFewerThreads => "give more --memory, or fewer --threads",
        Advice::LessMemory => "or give a smaller --memory",
        Advice::FewerThreads => "or ask for fewer --threads",
        Advice::KeepFirstOrLast => "remove one, or keep one with --on-duplicate first or --on-duplicate last",
        Advice::SipHash => "build with --hash siphash",
        Advice::OneFile => "choose another name, or leave out --parts",
        Advice::Metadata => "give that of the output with --metadata",
        Advice::Escape => "use --escape, or JSON or cdbmake output",
        Advice::EscapeOrAnyBytes => "use --escape, or cdbmake output",
        Advice::AnyBytesFormat => "use --format cdbmake, which holds any bytes",
        Advice::IntKeys => "use --keys int",
        Advice::IntOrJsonKeys => "use --keys int, or --keys json if only some keys are integers",
        Advice::JsonKeys => "use --keys json to store keys as JSON text",
        Advice::Query => "name the columns of one with --query 'SELECT key, value FROM table'",
        Advice::Pick => "name one with --pick, such as --pick 0 or --pick NAME",
        other => return other.to_string(),
    };
    words.to_owned()
}
