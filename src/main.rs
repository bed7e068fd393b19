//! The `replyd` program: everything is in the library, so that tests drive the same code.

fn main() -> std::process::ExitCode {
    replyd::cli::main()
}
