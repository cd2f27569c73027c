//! A request to the sandbox, without its network.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| d1_sandbox::fuzzing::request(input));
