//! What went in comes out: build, verify, get and dump for every format, plain and compressed.

use crate::support::{Place, sorted};
use std::io::Write;

const TSV: &str = "apple\tred\nbanana\tyellow\nkäse\tgelb\nempty\t\n";
const CSV: &str = "key,value\napple,red\nbanana,yellow\nkäse,\"gelb\"\nempty,\n";
const JSONL: &str = "{\"key\":\"apple\",\"value\":\"red\"}\n[\"banana\",\"yellow\"]\n{\"value\":\"gelb\",\"key\":\"k\\u00e4se\"}\n{\"key\":\"empty\",\"value\":\"\"}\n";
const CDBMAKE: &str = "+5,3:apple->red\n+6,6:banana->yellow\n+5,4:käse->gelb\n+5,0:empty->\n\n";

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[track_caller]
fn comes_back(place: &Place, name: &str) {
    let build = place.run(&format!("build {name} -o x.hlith")).ok();
    assert!(build.out.is_empty(), "data only on standard output: {build:?}");
    assert!(build.err.contains("keys") && build.err.contains("next"), "{}", build.err);
    let get = place.run("get x.hlith käse apple empty").ok();
    assert_eq!((get.text(), get.err.as_str()), ("gelb\nred\n\n", ""));
    let dump = place.run("dump x.hlith").ok();
    assert_eq!(sorted(&dump.out), sorted(TSV.as_bytes()));
    place.run(&format!("verify x.hlith --against {name}")).ok();
    place.holds(&[name, "x.hlith"]);
}

#[test]
fn every_text_format_in_every_compression() {
    for (name, text) in [("a.tsv", TSV), ("a.csv", CSV), ("a.jsonl", JSONL), ("a.cdbmake", CDBMAKE)] {
        let packed = [
            (String::new(), text.as_bytes().to_vec()),
            (".gz".to_owned(), gzip(text.as_bytes())),
            (".zst".to_owned(), zstd::encode_all(text.as_bytes(), 3).unwrap()),
        ];
        for (extension, bytes) in packed {
            let place = Place::new();
            let name = format!("{name}{extension}");
            place.write(&name, bytes);
            comes_back(&place, &name);
        }
    }
}

#[test]
fn what_dump_writes_builds_the_same_index() {
    let place = Place::with_index(TSV);
    for format in ["tsv", "jsonl", "cdbmake"] {
        let dump = place.run(&format!("dump x.hlith --format {format}")).ok();
        let name = format!("again.{format}");
        place.write(&name, dump.out);
        place.run(&format!("build {name} -o again.hlith")).ok();
        assert_eq!(place.read("again.hlith"), place.read("x.hlith"), "{format}");
    }
}

#[test]
fn a_format_can_be_said_instead_of_told_by_the_name() {
    let place = Place::new();
    place.write("records", TSV);
    place.run("build records -o x.hlith").fails(1, &["records", "--format"]);
    place.run("build records -o x.hlith --format tsv").ok();
    assert_eq!(place.run("get x.hlith apple").ok().text(), "red\n");
}

#[test]
fn columns_and_fields_can_be_chosen() {
    let place = Place::new();
    place.write("a.csv", "colour,id,name\nred,7,apple\n");
    place.run("build a.csv -o x.hlith --key-column name --value-column colour").ok();
    assert_eq!(place.run("get x.hlith apple").ok().text(), "red\n");
    place.run("build a.csv -o x.hlith --key-column 2 --value-column 3 --header").ok();
    assert_eq!(place.run("get x.hlith 7").ok().text(), "apple\n");
    place.write("a.jsonl", "{\"id\":\"7\",\"name\":\"apple\"}\n");
    place.run("build a.jsonl -o x.hlith --key-field id --value-field name").ok();
    assert_eq!(place.run("get x.hlith 7").ok().text(), "apple\n");
}

#[test]
fn a_folder_stands_for_the_files_in_it() {
    let place = Place::new();
    place.write("in/b.tsv", "b\t2\n");
    place.write("in/a.csv", "key,value\na,1\n");
    place.write("in/README.md", "not records");
    place.run("build in -o x.hlith").ok();
    assert_eq!(place.run("get x.hlith a b").ok().text(), "1\n2\n");
    place.run("verify x.hlith --against in").ok();
}

#[test]
fn json_values_stay_json() {
    let place = Place::new();
    place.write(
        "a.jsonl",
        "{\"key\":\"a\",\"value\":{\"n\":[1,2.50,null]}}\n{\"key\":\"b\",\"value\":\"text\"}\n",
    );
    place.run("build a.jsonl -o x.hlith --values json").ok();
    assert_eq!(place.run("get x.hlith a b").ok().text(), "{\"n\":[1,2.50,null]}\n\"text\"\n");
    let dump = place.run("dump x.hlith --format jsonl").ok();
    assert_eq!(sorted(&dump.out), sorted(&place.read("a.jsonl")));
    place.run("verify x.hlith --against a.jsonl").ok();
}
