//! Panics that the product expects of crates that it uses.

use std::panic::{Location, set_hook, take_hook};
use std::path::Path;
use std::sync::Once;

/// From now on a panic in the code of another project does not end the process at once. The product catches it, or it reaches
/// libFuzzer, which then ends the process. A panic in the code of this project still ends it.
pub(crate) fn expect_in_dependencies() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let abort = take_hook();
        set_hook(Box::new(move |panic| {
            if panic.location().is_none_or(is_own) {
                abort(panic);
            }
        }));
    });
}

/// Whether the place is in a file of this project. Cargo compiles those of others by their absolute paths.
fn is_own(place: &Location<'_>) -> bool {
    let (file, project) = (Path::new(place.file()), Path::new(env!("CARGO_MANIFEST_DIR")).parent());
    file.is_relative() || project.is_some_and(|project| file.starts_with(project))
}
