//! The `listgate` program.

fn main() -> std::process::ExitCode {
    listgate::cli::main()
}
