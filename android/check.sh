#!/usr/bin/env bash
# Checks what can be checked of the Android side without Android's SDK: needs Maven, a JDK of version 17 or later and python3.
#
# With GOOGLE_MAVEN=ADDRESS (of Google's Maven repository) the library and the sample are compiled against the real AndroidX
# and Compose, too, and R8 is run over the library with its consumer rules. Without it AndroidX is check/stubs.
set -euo pipefail
cd "$(dirname "$0")"

echo "Files: manifests, resources, versions, quick start"
python3 check/files.py

echo "Library against Android's API, level 26 calls only, and its tests"
rm -rf check/target/surefire-reports
mvn --batch-mode --quiet -f check/pom.xml test ${KEEPSAKE_LIBRARY:+"-Dkeepsake.library=$KEEPSAKE_LIBRARY"}
cat check/target/surefire-reports/*.txt | grep "Tests run"

if [ -z "${GOOGLE_MAVEN:-}" ]; then
  echo "Not checked: the sample, and the real AndroidX (set GOOGLE_MAVEN to the address of Google's Maven repository)"
  exit 0
fi

echo "Library and sample against the real AndroidX and Compose"
mvn --batch-mode --quiet -f check/androidx/pom.xml "-Dgoogle.maven=$GOOGLE_MAVEN" package
work=check/target/androidx
for aar in "$work"/libraries/*.aar "$work"/jna/*.aar; do
  unzip -q -o -p "$aar" classes.jar >"${aar%.aar}-classes.jar"
done
joined() { local IFS=:; echo "$*"; }
mvn --batch-mode --quiet -f check/pom.xml org.apache.maven.plugins:maven-dependency-plugin:3.8.1:build-classpath \
  -DincludeArtifactIds=android-all,kotlinx-coroutines-core-jvm,kotlin-stdlib "-Dmdep.outputFile=$PWD/$work/classpath"
android=$(cat "$work/classpath")
compiled="$work/classes"
rm -rf "$compiled" && mkdir -p "$compiled"
java -Xmx2g -cp "$(joined "$work"/compiler/*.jar)" org.jetbrains.kotlin.cli.jvm.K2JVMCompiler -no-stdlib -no-reflect \
  -jvm-target 17 -nowarn -Xplugin="$(echo "$work"/compiler/kotlin-compose-compiler-plugin-embeddable-*.jar)" \
  -cp "$android:$(joined "$work"/libraries/*.jar "$work"/jna/*.jar)" -d "$compiled" \
  ../bindings/kotlin/src/main/kotlin keepsake/src/main/kotlin sample/src/main/kotlin
echo "$(find "$compiled" -name '*.class' | wc -l) classes"

echo "R8 with the consumer rules"
(cd "$compiled" && jar cf ../before.jar dev/keepsake)
unzip -q -o "$work"/jna/jna-*-classes.jar 'com/*' -d "$compiled" && (cd "$compiled" && jar uf ../before.jar com)
shared=()
for jar in ${android//:/ } "$work"/libraries/*.jar; do shared+=(--lib "$jar"); done
java -Xmx3g -cp "$(joined "$work"/r8/*.jar)" com.android.tools.r8.R8 --release --classfile --output "$work/after.jar" \
  --pg-conf keepsake/consumer-rules.pro --pg-conf check/androidx/entry.pro \
  --lib "$(dirname "$(dirname "$(readlink -f "$(command -v javac)")")")" "${shared[@]}" "$work/before.jar"
python3 check/files.py --shrunk "$work/before.jar" "$work/after.jar"
