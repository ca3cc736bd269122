//! Completion scripts that the shells accept.

use crate::support::Place;

#[test]
fn scripts_for_the_usual_shells() {
    let place = Place::new();
    for (shell, words) in
        [("bash", "complete -F _hashlith"), ("zsh", "#compdef hashlith"), ("fish", "complete -c hashlith")]
    {
        let script = place.run(&format!("completions {shell}")).ok();
        assert!(script.text().contains(words), "{shell}");
        for name in ["build", "verify", "dump", "on-duplicate", "fingerprint-bits"] {
            assert!(script.text().contains(name), "{shell}: {name}");
        }
    }
    place.run("completions tcsh").fails(2, &["tcsh", "bash"]);
}

#[test]
fn bash_takes_its_script() {
    let place = Place::new();
    place.write("bash", place.run("completions bash").ok().out);
    place.shell("bash -n bash && bash -c '. ./bash && complete -p hashlith'").ok();
}
