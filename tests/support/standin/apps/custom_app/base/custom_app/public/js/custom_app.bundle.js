// Page script of Custom App.
window.custom_app_version = "0.0.0";
