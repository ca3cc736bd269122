#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| hashlith_fuzz::checker(data));

// Sections must stay where they are, or nearly nothing opens.
libfuzzer_sys::fuzz_mutator!(|data: &mut [u8], size: usize, _max_size: usize, _seed: u32| {
    libfuzzer_sys::fuzzer_mutate(data, size, size)
});
