//! Arguments in, exit code out.

fn main() -> std::process::ExitCode {
    listgate::cli::main()
}
