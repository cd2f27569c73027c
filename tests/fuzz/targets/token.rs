//! An answer of the token endpoint.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| d1_facade::fuzzing::token(input));
