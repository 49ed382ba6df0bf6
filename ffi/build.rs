//! Lets the shared library look for llama.cpp's libraries in the folder `lib` beside it, where the command line's build
//! script puts them. Elsewhere than on Linux llama.cpp is linked in and nothing is done.

fn main() {
    println!("cargo:rerun-if-env-changed=CARGO_CFG_TARGET_OS");
    if std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|system| system == "linux") {
        println!("cargo:rustc-link-arg-cdylib=-Wl,-rpath,$ORIGIN/lib");
    }
}
