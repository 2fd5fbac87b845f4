// The page script of every web page.
window.frappe = { version: "0.0.0" };
