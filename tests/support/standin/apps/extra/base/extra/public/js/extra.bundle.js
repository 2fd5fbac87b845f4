// Page script of Extra.
window.extra_version = "0.0.0";
