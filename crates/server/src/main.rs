//! The `lockstep` command.

/// The C library's allocator keeps the 19 MiB of each password hash several times over, in every thread's arena: after some logins 400 MiB
/// stay resident. This one gives them back.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    lockstep::cli::main()
}
