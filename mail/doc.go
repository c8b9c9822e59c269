// Package mail renders and delivers what users receive: confirmations of addresses and links to set a new password
// (identity.md section 12). Texts are Jinja2 templates, the operator's files or the built-in ones; delivery is plain SMTP.
// What is mailed to whom is the caller's business.
package mail
