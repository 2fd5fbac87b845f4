// Page script of ERPNext.
window.erpnext_version = "0.0.0";
