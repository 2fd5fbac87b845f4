// What users work in.
window.frappe_desk = true;
