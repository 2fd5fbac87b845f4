// Page script of Contract App.
window.contract_app_version = "0.0.0";
