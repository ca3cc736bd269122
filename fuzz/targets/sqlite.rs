#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| hashlith_fuzz::sqlite(data));
