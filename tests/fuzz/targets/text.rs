//! A text that a caller gives.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &str| d1_facade::fuzzing::text(input));
