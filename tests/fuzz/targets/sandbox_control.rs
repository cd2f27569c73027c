//! A file of fixtures, or a fault for the sandbox's control API.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &str| d1_sandbox::fuzzing::control(input));
