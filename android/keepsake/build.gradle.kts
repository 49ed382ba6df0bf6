// The engine as an Android library: the Kotlin façade and binding as they are, and what only Android needs.
import org.jetbrains.kotlin.gradle.dsl.JvmTarget

plugins {
    alias(libs.plugins.android.library)
    alias(libs.plugins.kotlin.android)
}

android {
    namespace = "dev.keepsake.android"
    compileSdk = 35

    defaultConfig {
        minSdk = 26
        consumerProguardFiles("consumer-rules.pro")
        // The processors that build-native.sh builds for.
        ndk { abiFilters += listOf("arm64-v8a", "x86_64") }
    }

    sourceSets["main"].kotlin.srcDir("../../bindings/kotlin/src/main/kotlin")

    compileOptions {
        sourceCompatibility = JavaVersion.VERSION_17
        targetCompatibility = JavaVersion.VERSION_17
    }

    testOptions.unitTests.all { it.useJUnitPlatform() }
}

kotlin {
    compilerOptions { jvmTarget = JvmTarget.JVM_17 }
}

dependencies {
    api(libs.kotlinx.coroutines.android)
    // The aar brings JNA's own native library for each processor.
    implementation(libs.jna) { artifact { type = "aar" } }
    implementation(libs.androidx.work.runtime.ktx)
    implementation(libs.androidx.lifecycle.process)
    testImplementation(libs.junit.jupiter)
    testImplementation(libs.jna)
    testRuntimeOnly(libs.junit.launcher)
}

// A library without its native code would fail on the device only, at the first call.
tasks.matching { it.name == "preReleaseBuild" }.configureEach {
    val built = listOf("arm64-v8a", "x86_64").map { file("src/main/jniLibs/$it/libkeepsake_ffi.so") }
    doFirst { built.forEach { check(it.exists()) { "$it is missing: run android/build-native.sh" } } }
}
