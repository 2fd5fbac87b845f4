// Page script of Contract Child.
window.contract_child_version = "0.0.0";
