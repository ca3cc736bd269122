//! Panics that the product expects of crates that it uses.

use std::backtrace::Backtrace;
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind, set_hook, take_hook};
use std::path::Path;
use std::sync::Once;

thread_local! {
    /// The last panic that did not end the process.
    static LAST: RefCell<Option<(String, Backtrace)>> = const { RefCell::new(None) };
}

/// Runs what may catch panics in the code of other projects: these do not end the process at once. One that is not caught does,
/// and so does any panic in the code of this project.
pub(crate) fn expected<T>(run: impl FnOnce() -> T) -> T {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let abort = take_hook();
        set_hook(Box::new(move |panic| match panic.location().is_none_or(is_own) {
            true => abort(panic),
            false => LAST.set(Some((panic.to_string(), Backtrace::force_capture()))),
        }));
    });
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|panic| {
        if let Some((what, place)) = LAST.take() {
            eprintln!("not caught: {what}\n{place}");
        }
        resume_unwind(panic)
    })
}

/// Whether the place is in a file of this project. Cargo compiles those of others by their absolute paths.
fn is_own(place: &Location<'_>) -> bool {
    let (file, project) = (Path::new(place.file()), Path::new(env!("CARGO_MANIFEST_DIR")).parent());
    file.is_relative() || project.is_some_and(|project| file.starts_with(project))
}
