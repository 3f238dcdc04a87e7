//! The `sesstrace` binary.

fn main() -> std::process::ExitCode {
    tracer_user::cli::main()
}
