#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| listgate::fuzz::socketmap(input));
