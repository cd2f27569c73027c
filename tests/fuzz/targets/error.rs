//! An answer that is not a success.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| d1_facade::fuzzing::error(input));
