//! The text of a key.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &str| d1_facade::fuzzing::keys(input));
