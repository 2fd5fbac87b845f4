// Website scripts of the site.
window.frappe_website = true;
