// swift-tools-version: 6.0
// The engine for Swift: the façade `Keepsake` over the generated binding over the library's C header.
import PackageDescription

#if os(Linux)
// The library itself, libkeepsake_ffi.so, is found through the linker's -L: see test.sh.
let library: Target = .systemLibrary(name: "KeepsakeFFI")
let linked: [LinkerSetting] = []
#else
// Made by build-xcframework.sh.
let library: Target = .binaryTarget(name: "KeepsakeFFI", path: "KeepsakeFFI.xcframework")
// What llama.cpp and ONNX Runtime, which are in it, need of the system.
let linked: [LinkerSetting] = [
    .linkedLibrary("c++"),
    .linkedFramework("Accelerate"),
    .linkedFramework("Foundation"),
    .linkedFramework("Metal"),
    .linkedFramework("MetalKit"),
]
#endif

let package = Package(
    name: "Keepsake",
    platforms: [.iOS(.v16), .macOS(.v13)],
    products: [.library(name: "Keepsake", targets: ["Keepsake"])],
    targets: [
        library,
        .target(
            name: "KeepsakeBinding",
            dependencies: ["KeepsakeFFI"],
            exclude: ["KeepsakeFFI.h", "KeepsakeFFI.modulemap"],
            linkerSettings: linked),
        .target(name: "Keepsake", dependencies: ["KeepsakeBinding"]),
        .testTarget(name: "KeepsakeTests", dependencies: ["Keepsake"]),
    ],
    swiftLanguageModes: [.v6]
)
