#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| hashlith_fuzz::parquet(data));

// The footer must stay at the end, and pages where it says.
libfuzzer_sys::fuzz_mutator!(|data: &mut [u8], size: usize, _max_size: usize, _seed: u32| {
    libfuzzer_sys::fuzzer_mutate(data, size, size)
});
