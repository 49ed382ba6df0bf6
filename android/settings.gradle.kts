// Keepsake for Android: the library and a sample. In an app of your own: includeBuild("PATH/android").
pluginManagement {
    repositories {
        google()
        mavenCentral()
        gradlePluginPortal()
    }
}

dependencyResolutionManagement {
    repositoriesMode = RepositoriesMode.FAIL_ON_PROJECT_REPOS
    repositories {
        google()
        mavenCentral()
    }
}

rootProject.name = "keepsake-android"
include(":keepsake", ":sample")
