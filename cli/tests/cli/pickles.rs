//! The main job: one index from a folder of pickled dicts, written by CPython.

use crate::support::{Place, sorted};

#[test]
fn a_folder_of_pickles_becomes_an_index_with_one_command() {
    let place = Place::new();
    place.python(
        "import pickle, os\n\
         os.mkdir('my-pickles')\n\
         for part in range(7):\n\
         \x20   d = {f'{part}/{i}': f'value {i % 10}' for i in range(2500)}\n\
         \x20   pickle.dump(d, open(f'my-pickles/part-{part}.pkl', 'wb'))\n",
    );
    let build = place.run("build my-pickles -o my.hlith").ok();
    assert!(build.err.contains("17,500"), "{}", build.err);
    assert_eq!(place.run("get my.hlith 3/1234 6/9").ok().text(), "value 4\nvalue 9\n");
    place.run("verify my.hlith --against my-pickles").ok();
    place.holds(&["my-pickles", "my.hlith"]);
}

#[test]
fn every_protocol_gives_the_same_index() {
    let place = Place::new();
    place.python(
        "import pickle\n\
         d = {f'k{i}': 'v' * (i % 300) for i in range(1000)}\n\
         d['ü'] = 'snow \\u2603'\n\
         for p in range(6): pickle.dump(d, open(f'p{p}.pkl', 'wb'), protocol=p)\n",
    );
    place.run("build p5.pkl -o expected.hlith").ok();
    for protocol in 0..5 {
        place.run(&format!("build p{protocol}.pkl -o x.hlith")).ok();
        assert_eq!(place.read("x.hlith"), place.read("expected.hlith"), "protocol {protocol}");
    }
    assert_eq!(place.run("get expected.hlith ü").ok().text(), "snow \u{2603}\n");
}

#[test]
fn compressed_and_piped_pickles_are_read() {
    let place = Place::new();
    place.python(
        "import pickle, gzip\n\
         d = {str(i): str(i % 3) for i in range(3000)}\n\
         pickle.dump(d, open('a.pkl', 'wb'))\n\
         gzip.open('b.pkl.gz', 'wb').write(open('a.pkl', 'rb').read())\n",
    );
    place.run("build a.pkl -o a.hlith").ok();
    place.run("build b.pkl.gz -o b.hlith").ok();
    place.run_with_input("build - --format pickle -o c.hlith", &place.read("a.pkl")).ok();
    place.run_with_input("build - --format pickle -o d.hlith", &place.read("b.pkl.gz")).ok();
    for name in ["b.hlith", "c.hlith", "d.hlith"] {
        assert_eq!(place.read(name), place.read("a.hlith"), "{name}");
    }
}

#[test]
fn dump_can_go_back_into_a_python_dict() {
    let place = Place::new();
    place.python("import pickle; pickle.dump({'a\\tb': 'x\\ny', 'c': '\"'}, open('a.pkl', 'wb'))");
    place.run("build a.pkl -o x.hlith").ok();
    let dump = place.run("dump x.hlith --format jsonl").ok();
    place.write("dump.jsonl", dump.out);
    let seen = place.python(
        "import json\n\
         d = {r['key']: r['value'] for r in map(json.loads, open('dump.jsonl'))}\n\
         print(sorted(d.items()))",
    );
    assert_eq!(String::from_utf8(seen).unwrap(), "[('a\\tb', 'x\\ny'), ('c', '\"')]\n");
}

#[test]
fn values_that_are_not_strings_become_json_when_asked() {
    let place = Place::new();
    place.python("import pickle; pickle.dump({'a': 1, 'b': [1, 2], 'c': {'d': None}}, open('a.pkl', 'wb'))");
    place.run("build a.pkl -o x.hlith").fails(1, &["a.pkl", "--values json"]);
    place.holds(&["a.pkl"]);
    place.run("build a.pkl -o x.hlith --values json").ok();
    let dump = place.run("dump x.hlith").ok();
    assert_eq!(sorted(&dump.out), sorted(b"a\t1\nb\t[1,2]\nc\t{\"d\":null}\n"));
}

#[test]
fn a_pickle_that_would_run_code_is_refused() {
    let place = Place::new();
    place.python(
        "import pickle, os\n\
         class Evil:\n\
         \x20   def __reduce__(self): return (os.system, ('touch pwned',))\n\
         pickle.dump({'a': Evil()}, open('evil.pkl', 'wb'))\n",
    );
    place.run("build evil.pkl -o x.hlith").fails(1, &["evil.pkl", "byte "]);
    place.holds(&["evil.pkl"]);
}
