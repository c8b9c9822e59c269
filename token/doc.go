// Package token owns the tables tokens, refresh_tokens, access_lists and lifetime_due: no other package writes them. It
// issues tokens, checks them, lists and ends sessions, hands refresh tokens out again, and gives the lifetimes of
// workflows/ what they do to the world. It knows nothing of HTTP and never calls Temporal: that a session wants a
// lifetime, or wants it ended, is a row written in the same transaction (lifetime_due), which the relay works off.
//
// Start reading at Service.Issue and Checker.Check.
package token
