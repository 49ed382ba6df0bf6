//! Lets the program find libtorch where it was built with it, and llama.cpp's libraries beside itself.
//!
//! The command line's build script puts the latter into `<target>/<profile>/lib`.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rustc-link-arg=-Wl,-rpath,$ORIGIN/lib:$ORIGIN/../lib");
    if let Ok(libtorch) = std::env::var("DEP_TCH_LIBTORCH_LIB") {
        println!("cargo:rustc-link-arg=-Wl,-rpath,{libtorch}");
        println!("cargo:rustc-env=LIBTORCH_FOLDER={libtorch}");
    }
}
