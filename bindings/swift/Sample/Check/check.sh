#!/usr/bin/env bash
# Type-checks on Linux what needs no SwiftUI, and parses the rest. Usage: check.sh MODULES, the folder that `swift build`
# of the package left its modules in. CryptoKit, Combine and the façade's code for Apple's devices are stand-ins.
set -euo pipefail
modules=$(cd "$1" && pwd)
cd "$(dirname "$0")/.."
made=$(mktemp -d)
trap 'rm -rf "$made"' EXIT
swift=(swiftc -swift-version 6 -warnings-as-errors)
for name in CryptoKit Combine; do
  "${swift[@]}" -emit-module -module-name "$name" -emit-module-path "$made/$name.swiftmodule" "Check/$name.swift"
done
"${swift[@]}" -typecheck -module-name Sample -I "$made" -I "$modules" -I ../Sources/KeepsakeFFI \
  Sources/{ModelFile,Bank,Desk}.swift Check/Device.swift
"${swift[@]}" -parse Sources/*.swift
