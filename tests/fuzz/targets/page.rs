//! A page of operations.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| d1_facade::fuzzing::page(input));
