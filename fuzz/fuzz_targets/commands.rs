#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| listgate_engine::fuzz::commands(input));
