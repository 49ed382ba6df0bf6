#!/usr/bin/env python3
"""Checks the Android side's files: XML, permissions, consumer rules, versions, and the README's quick start.

With --shrunk BEFORE AFTER it compares two jars instead: what JNA finds by name must have outlived R8. 
"""
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from xml.etree import ElementTree

HERE = Path(__file__).resolve().parent.parent
ANDROID = "{http://schemas.android.com/apk/res/android}"
TOOLS = "{http://schemas.android.com/tools}"


def check(good, what):
    if not good:
        sys.exit(f"android: {what}")


def manifests():
    parsed = {file: ElementTree.parse(file).getroot() for file in HERE.glob("*/src/main/**/*.xml")}
    check(len(parsed) >= 4, "manifests or resources are missing")
    for file, root in parsed.items():
        for asked in root.iter("uses-permission"):
            removed = asked.get(TOOLS + "node") == "remove"
            check(removed, f"{file.relative_to(HERE)} asks for {asked.get(ANDROID + 'name')}")
    app = parsed[HERE / "sample/src/main/AndroidManifest.xml"].find("application")
    check(app.get(ANDROID + "allowBackup") == "false", "the sample lets itself be backed up")
    return len(parsed)


def rules():
    rules = (HERE / "keepsake/consumer-rules.pro").read_text()
    check("consumer-rules.pro" in (HERE / "keepsake/build.gradle.kts").read_text(), "no consumer rules are shipped")
    for needed in ("com.sun.jna.**", "native <methods>", "com.sun.jna.Structure", "com.sun.jna.Callback"):
        check(needed in rules, f"consumer-rules.pro does not keep {needed}")


def network():
    for file in (HERE / "keepsake/src/main/kotlin").rglob("*.kt"):
        found = re.search(r"java\.net\.|okhttp|HttpURLConnection|DownloadManager|ConnectivityManager", file.read_text())
        check(not found, f"{file.name} has network code")


def versions():
    """Kotlin, coroutines, JNA and JUnit are those of the JVM's build, here and in the check."""
    catalogue = dict(re.findall(r'^([\w-]+) = "([^"]+)"', (HERE / "gradle/libs.versions.toml").read_text(), re.M))
    artifacts = {"kotlinx-coroutines-core": "coroutines", "jna": "jna", "junit-jupiter": "junit"}
    for pom in (HERE.parent / "bindings/kotlin/pom.xml", HERE / "check/pom.xml"):
        text = pom.read_text()
        found = {artifacts[a]: v for a, v in re.findall(r"<artifactId>([\w-]+)</artifactId>\s*<version>([^<$]+)<", text) if a in artifacts}
        found["kotlin"] = re.search(r"<kotlin.version>([^<]+)", text).group(1)
        for name, version in found.items():
            check(catalogue[name] == version, f"{name} is {catalogue[name]} in libs.versions.toml and {version} in {pom.name}")


def quick_start():
    source = (HERE / "keepsake/src/test/kotlin/dev/keepsake/android/QuickStart.kt").read_text()
    code = source.split("// quick start\n")[1].strip()
    check(f"```kotlin\n{code}\n```" in (HERE / "README.md").read_text(), "the README's quick start is not the one that compiles")
    lines = sum(1 for line in code.splitlines() if line)
    check(lines <= 20, f"the quick start has {lines} lines")


def shrunk(before, after):
    """Members of the classes that JNA looks into, in both jars."""
    def members(jar, names):
        text = subprocess.run(["javap", "-p", "-cp", jar, *names], check=True, capture_output=True, text=True).stdout
        found = {}
        for block in re.findall(r"^[^\n]*?(?:class|interface) ([\w.$]+)[^\n]*\{\n(.*?)^\}", text, re.M | re.S):
            found[block[0]] = {line.strip() for line in block[1].splitlines()}
        return found

    def classes(jar):
        return {name[:-6].replace("/", ".") for name in zipfile.ZipFile(jar).namelist() if name.endswith(".class")}

    all_before, all_after = classes(before), classes(after)
    # Structures and callbacks are told by their names in the generated binding.
    looked_into = {n for n in all_before if re.fullmatch(
        r"dev\.keepsake\.(Uniffi(Lib|VTable\w+|ForeignFuture\w+|RustCallStatus|Callback\w+)|IntegrityCheckingUniffiLib|RustBuffer|ForeignBytes)(\$(?!Companion)\w+)?", n)}
    natives = {"dev.keepsake.UniffiLib", "dev.keepsake.IntegrityCheckingUniffiLib"}
    check(natives <= looked_into, "the generated binding has other names than the check takes it to have")
    check(looked_into <= all_after, f"R8 removed or renamed {sorted(looked_into - all_after)}")
    had, has = members(before, looked_into), members(after, looked_into)
    count = 0
    for name in sorted(looked_into):
        native = {m for m in had[name] if " native " in m} if name in natives else had[name]
        field = {m for m in native if "(" not in m and "static" not in m} if name not in natives else native
        callback = {m for m in native if " callback(" in m}
        count += len(field | callback)
        lost = {signature(m) for m in field | callback} - {signature(m) for m in has[name]}
        check(not lost, f"R8 took {sorted(lost)} from {name}")
    print(f"{len(looked_into)} classes that JNA looks into kept {count} members; {len(all_before)} classes became {len(all_after)}")


def signature(member):
    """A member without the modifiers and final types that R8 may change; its name and what it takes stay."""
    return re.sub(r"\b(public|private|protected|final|abstract|synchronized|volatile) ", "", member)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--shrunk"]:
        shrunk(*sys.argv[2:4])
    else:
        count = manifests()
        rules()
        network()
        versions()
        quick_start()
        print(f"{count} XML files, no permission asked for, consumer rules, versions and quick start: as they should be")
